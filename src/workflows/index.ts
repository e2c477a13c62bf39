export { kimiLimiter } from './limiter.ts';
export { kimiTask } from './task.ts';
