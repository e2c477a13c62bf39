export { kimiTask } from './task.ts';
