import { invalidParameter } from './errors.ts';

const TARGET =
  /^arn:aws[a-zA-Z-]*:(?:lambda:[a-z0-9-]+:\d{12}:function:[a-zA-Z0-9-_]+(?::[a-zA-Z0-9-_$]+)?|sqs:[a-z0-9-]+:\d{12}:[a-zA-Z0-9-_]{1,80}(?:\.fifo)?)$/;

/** @throws InvalidArgument for anything but a function or a queue: nothing else here takes events */
export function checkTarget(arn: string): void {
  if (TARGET.test(arn)) return;
  throw invalidParameter(
    `The provided destination config DestinationConfig is invalid: ${arn} is neither a function (arn:aws:lambda:…) nor a queue (arn:aws:sqs:…), which are what takes events here`,
  );
}
