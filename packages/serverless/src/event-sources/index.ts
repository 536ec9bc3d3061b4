export { eventSourceOperations } from './routes.ts';
export { schedulerOperations } from './schedule-routes.ts';
export { Schedules, type SchedulesParts } from './schedules.ts';
export { EventSourceMappings, type EventSourceMappingsParts } from './service.ts';
