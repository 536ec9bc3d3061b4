import type {
  CreateScheduleInput,
  CreateScheduleOutput,
  DeleteScheduleInput,
  GetScheduleInput,
  GetScheduleOutput,
  ListSchedulesInput,
  ListSchedulesOutput,
  UpdateScheduleInput,
  UpdateScheduleOutput,
} from '@aws-sdk/client-scheduler';
import type { Clock } from '@slipway/base';
import { type AwsCall, type AwsOperation, awsError, operation } from '../aws/index.ts';
import { refused, type Schedule } from './schedule.ts';
import type { Schedules } from './schedules.ts';

const GROUP = 'default';

/** The operations of EventBridge Scheduler's API on schedules. */
export const schedulerOperations = (schedules: Schedules, clock: Clock): AwsOperation[] => [
  operation<CreateScheduleInput, CreateScheduleOutput>('CreateSchedule', (input, call) => {
    const schedule = parse(input, call, clock.nowMs());
    schedules.create(schedule);
    return { ScheduleArn: schedule.arn };
  }),
  operation<UpdateScheduleInput, UpdateScheduleOutput>('UpdateSchedule', (input, call) => {
    const schedule = parse(input, call, clock.nowMs());
    schedules.update(schedule);
    return { ScheduleArn: schedule.arn };
  }),
  operation<GetScheduleInput, GetScheduleOutput>('GetSchedule', (input) => {
    checkGroup(input.GroupName);
    return toWire(schedules.get(input.Name ?? ''));
  }),
  operation<ListSchedulesInput, ListSchedulesOutput>('ListSchedules', (input) => {
    if (input.GroupName !== undefined && input.GroupName !== GROUP) return { Schedules: [] };
    const matching = schedules
      .list()
      .filter(({ name }) => name.startsWith(input.NamePrefix ?? '') && name > (input.NextToken ?? ''))
      .filter((schedule) => input.State === undefined || stateOf(schedule) === input.State);
    const page = matching.slice(0, Math.min(input.MaxResults ?? 100, 100));
    return {
      Schedules: page.map((schedule) => {
        const { Arn, Name, GroupName, State, CreationDate, LastModificationDate } = toWire(schedule);
        const Target = { Arn: schedule.target.arn };
        return { Arn, Name, GroupName, State, CreationDate, LastModificationDate, Target };
      }),
      ...(page.length < matching.length && { NextToken: page.at(-1)?.name }),
    };
  }),
  operation<DeleteScheduleInput, object>('DeleteSchedule', (input) => {
    checkGroup(input.GroupName);
    schedules.delete(input.Name ?? '');
    return {};
  }),
];

function checkGroup(group: string | undefined): void {
  if (group === undefined || group === GROUP) return;
  throw awsError('NotFound', 'ResourceNotFoundException', `Schedule group ${group} does not exist.`);
}

function parse(input: CreateScheduleInput, { region, accountId }: AwsCall, nowMs: number): Schedule {
  checkGroup(input.GroupName);
  const { Name: name = '', Target: target, FlexibleTimeWindow: flexible } = input;
  if (target?.Arn === undefined) throw refused('Target.Arn is missing.');
  const other = [
    'EcsParameters',
    'EventBridgeParameters',
    'KinesisParameters',
    'SageMakerPipelineParameters',
  ].find((key) => key in target && target[key as keyof typeof target] !== undefined);
  if (other !== undefined)
    throw refused(`Target.${other} is not supported here: targets are functions and queues.`);
  if (input.KmsKeyArn !== undefined) throw refused('KmsKeyArn is not supported here: leave it out.');
  return {
    name,
    arn: `arn:aws:scheduler:${region}:${accountId}:schedule/${GROUP}/${name}`,
    region,
    expression: input.ScheduleExpression ?? '',
    timezone: input.ScheduleExpressionTimezone ?? 'UTC',
    startAtMs: input.StartDate?.getTime(),
    endAtMs: input.EndDate?.getTime(),
    description: input.Description,
    isEnabled: input.State !== 'DISABLED',
    deletesItself: input.ActionAfterCompletion === 'DELETE',
    flexibleMinutes: flexible?.Mode === 'FLEXIBLE' ? (flexible.MaximumWindowInMinutes ?? 0) : undefined,
    target: {
      arn: target.Arn,
      roleArn: target.RoleArn ?? '',
      input: target.Input,
      messageGroupId: target.SqsParameters?.MessageGroupId,
      deadLetterArn: target.DeadLetterConfig?.Arn,
      maxAgeSeconds: target.RetryPolicy?.MaximumEventAgeInSeconds ?? 86_400,
      maxRetries: target.RetryPolicy?.MaximumRetryAttempts ?? 185,
    },
    createdAtMs: nowMs,
    modifiedAtMs: nowMs,
  };
}

const stateOf = ({ isEnabled }: Schedule) => (isEnabled ? 'ENABLED' : 'DISABLED');

const toWire = (schedule: Schedule): GetScheduleOutput => ({
  Arn: schedule.arn,
  Name: schedule.name,
  GroupName: GROUP,
  ScheduleExpression: schedule.expression,
  ScheduleExpressionTimezone: schedule.timezone,
  ...(schedule.startAtMs !== undefined && { StartDate: new Date(schedule.startAtMs) }),
  ...(schedule.endAtMs !== undefined && { EndDate: new Date(schedule.endAtMs) }),
  ...(schedule.description !== undefined && { Description: schedule.description }),
  State: stateOf(schedule),
  CreationDate: new Date(schedule.createdAtMs),
  LastModificationDate: new Date(schedule.modifiedAtMs),
  ActionAfterCompletion: schedule.deletesItself ? 'DELETE' : 'NONE',
  FlexibleTimeWindow:
    schedule.flexibleMinutes === undefined
      ? { Mode: 'OFF' }
      : { Mode: 'FLEXIBLE', MaximumWindowInMinutes: schedule.flexibleMinutes },
  Target: {
    Arn: schedule.target.arn,
    RoleArn: schedule.target.roleArn,
    RetryPolicy: {
      MaximumEventAgeInSeconds: schedule.target.maxAgeSeconds,
      MaximumRetryAttempts: schedule.target.maxRetries,
    },
    ...(schedule.target.input !== undefined && { Input: schedule.target.input }),
    ...(schedule.target.messageGroupId !== undefined && {
      SqsParameters: { MessageGroupId: schedule.target.messageGroupId },
    }),
    ...(schedule.target.deadLetterArn !== undefined && {
      DeadLetterConfig: { Arn: schedule.target.deadLetterArn },
    }),
  },
});
