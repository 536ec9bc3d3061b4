export type { ReceivedMessage } from './message.ts';
export { type Queue, queueNameOfArn } from './queue.ts';
export { queueOperations, systemAttributes } from './routes.ts';
export { type QueueSender, Queues, type QueuesParts } from './service.ts';
