export { kimiLimiter } from './limiter.ts';
export { kimiRelay } from './relay.ts';
export { kimiTask } from './task.ts';
