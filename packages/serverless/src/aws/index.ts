export { type AwsDoor, admit, knock } from './admission.ts';
export * from './errors.ts';
export * from './operation.ts';
export { ACCOUNT_ID, type AwsSiteOptions, awsRoutes, awsSite } from './routes.ts';
export { sqsQuerySite } from './sqs-query.ts';
