export { kimiLimiter } from './limiter.ts';
export { kimiSchedule } from './schedule.ts';
export { kimiTask } from './task.ts';
