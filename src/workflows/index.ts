export { kimiLimiter } from './limiter.ts';
export { kimiMap } from './map.ts';
export { kimiNotify } from './notify.ts';
export { kimiSchedule } from './schedule.ts';
export { kimiTask, kimiTask as kimiRow } from './task.ts';
