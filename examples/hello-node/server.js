import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import express from 'express';

const port = Number(process.env.PORT ?? 8080);
const osName =
  /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'an unknown system';
let visits = 0;

const app = express();

app.get('/', (_request, response) => {
  visits += 1;
  response
    .type('text/plain')
    .send(
      [
        'Hello from a container.',
        '',
        `  container   ${hostname()}`,
        `  system      ${osName}`,
        `  runtime     Node ${process.version}, as process ${process.pid}`,
        `  up for      ${process.uptime().toFixed(1)} s`,
        `  visits      ${visits}`,
        '',
      ].join('\n'),
    );
});

app.get('/health', (_request, response) => {
  response.json({ status: 'ok', visits });
});

const server = app.listen(port, () => console.log(`listening on port ${port}`));

process.on('SIGTERM', () => server.close(() => process.exit(0)));
