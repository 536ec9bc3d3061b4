import { createHash, createHmac } from 'node:crypto';
import { Agent, request } from 'node:http';

/** What an access key signs with. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface LambdaAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

const REGION = 'eu-central-1';
const SIGNED = 'host;x-amz-date';

/** The leanest client that signs, so that what is measured is the server: one connection for each request at a time. */
export class LambdaClient implements Disposable {
  readonly port: number;
  readonly #credentials: Credentials;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(port: number, credentials: Credentials) {
    this.port = port;
    this.#credentials = credentials;
  }

  /** @throws for any status of 400 and more */
  async call(method: string, path: string, value?: unknown): Promise<LambdaAnswer> {
    const body = value === undefined ? '' : JSON.stringify(value);
    const answer = await this.send(method, path, this.sign(method, path, body), body);
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer;
  }

  /** Headers that are good for some minutes, for this request alone. */
  sign(method: string, path: string, body: string): Record<string, string> {
    const { accessKeyId, secretAccessKey } = this.#credentials;
    const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const host = `localhost:${this.port}`;
    const canonical = [method, path, '', `host:${host}`, `x-amz-date:${date}`, '', SIGNED, sha256(body)].join(
      '\n',
    );
    const parts = [date.slice(0, 8), REGION, 'lambda', 'aws4_request'];
    const scope = parts.join('/');
    const key = parts.reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
    const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')).toString(
      'hex',
    );
    return {
      Host: host,
      'X-Amz-Date': date,
      Authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${SIGNED}, Signature=${signature}`,
    };
  }

  send(method: string, path: string, headers: Record<string, string>, body: string): Promise<LambdaAnswer> {
    const length = { 'Content-Length': String(Buffer.byteLength(body)) };
    const options = { host: '127.0.0.1', port: this.port, agent: this.#agent, method, path };
    return new Promise((resolve, reject) => {
      const sent = request({ ...options, headers: { ...headers, ...length } }, (response) => {
        const chunks: Buffer[] = [];
        response.on('error', reject);
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
