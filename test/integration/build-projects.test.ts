import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { contextFolder, GRADLE_PROJECT, MAVEN_OFFLINE, MAVEN_PROJECT } from './harness/build.ts';
import { eventually } from './harness/command.ts';
import { debianArchive, TOOLCHAINS } from './harness/images.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

const skip = onDockerd;
const BASE = TOOLCHAINS.tag;
let prune = async () => {};
after(() => prune());
const engine = await useEngine();
prune = async () => {
  await engine.docker(
    'rm',
    '-f',
    '-v',
    ...(await engine.mustDocker('ps', '-aq')).split('\n').filter(Boolean),
  );
  const images = (await engine.mustDocker('images', '-aq')).split('\n').filter(Boolean);
  await engine.docker('rmi', '-f', ...images);
  await engine.slipway('builder', 'prune', '-af');
};

before(async () => {
  if (!onDockerd)
    await engine.mustDocker('load', '-i', await debianArchive(TOOLCHAINS.tag, TOOLCHAINS.packages));
});

async function build(tag: string, files: Readonly<Record<string, string>>): Promise<void> {
  const built = await engine.slipway('build', '-t', tag, contextFolder(engine, tag, files));
  assert.equal(built.code, 0, built.stderr);
}

/** A program that runs once: its Dockerfile, its files, and what a container of it prints. */
interface Program {
  readonly files: Readonly<Record<string, string>>;
  readonly prints: string;
}

const PROGRAMS: Readonly<Record<string, Program>> = {
  'java-javac': {
    files: {
      Dockerfile: `# syntax=docker/dockerfile:1
FROM ${BASE} AS build
WORKDIR /src
COPY src/ src/
RUN javac -d classes $(find src -name '*.java') && jar --create --file app.jar --main-class com.example.Main -C classes .
FROM ${BASE}
RUN useradd --system app
COPY --from=build --chown=app /src/app.jar /opt/app.jar
USER app
ENTRYPOINT ["java", "-XX:+UseSerialGC", "-jar", "/opt/app.jar"]
CMD ["world"]
`,
      'src/com/example/Main.java': `package com.example;
public class Main {
  record Greeting(String name) { public String toString() { return "hello " + name; } }
  public static void main(String[] args) {
    System.out.println(new Greeting(args[0]) + " from " + System.getProperty("user.name"));
  }
}
`,
    },
    prints: 'hello world from app',
  },
  'java-maven': {
    files: {
      ...MAVEN_PROJECT,
      'settings.xml': MAVEN_OFFLINE,
      Dockerfile: `FROM ${BASE} AS build
COPY settings.xml /etc/maven/settings.xml
WORKDIR /src
COPY pom.xml .
RUN mvn -B -q dependency:copy-dependencies -DoutputDirectory=/out
COPY src src
RUN mvn -B -q package -DskipTests && mv target/shop-1.0.jar /out/
FROM ${BASE}
COPY --from=build /out /app
CMD ["java", "-cp", "/app/*", "shop.Shop"]
`,
    },
    prints: 'maven jar',
  },
  'java-gradle': {
    files: {
      Dockerfile: `FROM ${BASE} AS build
WORKDIR /home/gradle/src
COPY *.gradle ./
RUN --mount=type=cache,target=/root/.gradle gradle --no-daemon --offline --quiet tasks > /dev/null
COPY src src
RUN --mount=type=cache,target=/root/.gradle gradle --no-daemon --offline --quiet installDist
FROM ${BASE}
COPY --from=build /home/gradle/src/build/install/counter /opt/counter
ENV JAVA_OPTS=-XX:+UseSerialGC
ENTRYPOINT ["/opt/counter/bin/counter"]
CMD ["1", "2", "3"]
`,
      ...GRADLE_PROJECT,
    },
    prints: 'gradle 3',
  },
  'go-modules': {
    files: {
      Dockerfile: `FROM --platform=$BUILDPLATFORM ${BASE} AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod ./
COPY greet/go.mod greet/
RUN --mount=type=cache,target=/go/pkg/mod go mod download -x
COPY . .
RUN --mount=type=cache,target=/root/.cache/go-build --mount=type=cache,target=/go/pkg/mod \\
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags="-s -w -X main.version=1.2.3" -o /out/tool ./cmd/tool
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/tool /tool
USER 65534:65534
ENTRYPOINT ["/tool"]
`,
      'go.mod':
        'module example.com/tool\n\ngo 1.19\n\nrequire example.com/greet v0.0.0\n\nreplace example.com/greet => ./greet\n',
      'greet/go.mod': 'module example.com/greet\n\ngo 1.19\n',
      'greet/greet.go': 'package greet\n\nfunc Text() string { return "hello from go" }\n',
      'cmd/tool/main.go': `package main

import (
	"fmt"
	"os"

	"example.com/greet"
)

var version = "none"

func main() { fmt.Println(greet.Text(), version, os.Getuid()) }
`,
    },
    prints: 'hello from go 1.2.3 65534',
  },
  'c-cmake': {
    files: {
      Dockerfile: `FROM ${BASE} AS build
COPY . /src
RUN cmake -S /src -B /build -DCMAKE_BUILD_TYPE=Release && cmake --build /build --parallel && cmake --install /build --prefix /out --strip
FROM scratch
COPY --from=build /out/bin/ /bin/
CMD ["/bin/sum", "20", "22"]
`,
      'CMakeLists.txt': `cmake_minimum_required(VERSION 3.18)
project(sum C)
add_library(add STATIC add.c)
add_executable(sum main.c)
target_link_libraries(sum PRIVATE add)
target_link_options(sum PRIVATE -static)
install(TARGETS sum)
`,
      'add.c': 'int add(int a, int b) { return a + b; }\n',
      'main.c': `#include <stdio.h>
#include <stdlib.h>
int add(int, int);
int main(int argc, char **argv) { printf("%d\\n", add(atoi(argv[1]), atoi(argv[2]))); return argc != 3; }
`,
    },
    prints: '42',
  },
  perl: {
    files: {
      Dockerfile: `FROM ${BASE}
WORKDIR /usr/src/app
COPY lib lib
COPY app.pl .
ENV PERL5LIB=/usr/src/app/lib
RUN prove -v t/ 2>/dev/null || perl -c app.pl
CMD ["perl", "./app.pl"]
`,
      'lib/Words.pm':
        'package Words;\nuse strict; use warnings;\nsub count { my %n; $n{$_}++ for split /\\s+/, shift; return \\%n } 1;\n',
      'app.pl':
        'use strict; use Words;\nmy $n = Words::count("a b a"); print join(",", map {"$_=$n->{$_}"} sort keys %$n), "\\n";\n',
    },
    prints: 'a=2,b=1',
  },
  'python-venv': {
    files: {
      Dockerfile: `FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INDEX=1
RUN python3 -m venv --system-site-packages /venv
WORKDIR /src
COPY requirements.txt .
COPY vendor vendor
RUN --mount=type=cache,target=/root/.cache/pip /venv/bin/pip install --no-build-isolation -r requirements.txt
FROM ${BASE}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
COPY --from=build /venv /venv
COPY app.py /app/
WORKDIR /app
CMD ["python", "app.py"]
`,
      'requirements.txt': './vendor/shout\n',
      'vendor/shout/setup.py':
        "from setuptools import setup\nsetup(name='shout', version='1.0', py_modules=['shout'])\n",
      'vendor/shout/shout.py': 'def shout(text):\n    return text.upper() + "!"\n',
      'app.py': 'import sys\nfrom shout import shout\nprint(shout("python"), sys.prefix)\n',
    },
    prints: 'PYTHON! /venv',
  },
  'python-poetry': {
    files: {
      Dockerfile: `FROM ${BASE} AS build
ENV POETRY_VIRTUALENVS_IN_PROJECT=1 POETRY_NO_INTERACTION=1
WORKDIR /app
COPY pyproject.toml poetry.lock ./
RUN poetry install --only main --no-root
COPY README.md ./
COPY bell bell
RUN poetry install --only-root
FROM ${BASE}
WORKDIR /app
COPY --from=build /app /app
ENTRYPOINT ["/app/.venv/bin/ring"]
`,
      'pyproject.toml': `[tool.poetry]
name = "bell"
version = "0.1.0"
description = "rings"
authors = ["A <a@example.org>"]
readme = "README.md"

[tool.poetry.dependencies]
python = "^3.9"

[tool.poetry.scripts]
ring = "bell:ring"

[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
`,
      'poetry.lock': `package = []

[metadata]
lock-version = "2.0"
python-versions = "^3.9"
content-hash = "2e93d0a2b8f3d2e0b0f6a0d9d7b5a5e8c6f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0"
`,
      'README.md': 'rings\n',
      'bell/__init__.py': 'def ring():\n    print("ding")\n',
    },
    prints: 'ding',
  },
  'node-build': {
    files: {
      Dockerfile: `FROM ${BASE} AS deps
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages packages
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund --offline
FROM deps AS test
COPY . .
RUN npm test && touch /tested
FROM ${BASE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=test /tested /tested
COPY --from=deps /app/node_modules node_modules
COPY --from=deps /app/packages packages
COPY main.js .
CMD ["node", "main.js"]
`,
      'package.json': JSON.stringify({
        name: 'mono',
        workspaces: ['packages/*'],
        scripts: { test: 'node --test test.js' },
      }),
      'package-lock.json': JSON.stringify({
        name: 'mono',
        lockfileVersion: 3,
        packages: {
          '': { name: 'mono', workspaces: ['packages/*'] },
          'node_modules/lib': { resolved: 'packages/lib', link: true },
          'packages/lib': { version: '1.0.0' },
        },
      }),
      'packages/lib/package.json': JSON.stringify({ name: 'lib', version: '1.0.0', main: 'lib.js' }),
      'packages/lib/lib.js': "exports.text = 'from a workspace';\n",
      'test.js':
        "require('node:test')('lib', () => require('node:assert').match(require('lib').text, /workspace/));\n",
      'main.js': "console.log(require('lib').text, process.env.NODE_ENV);\n",
    },
    prints: 'from a workspace production',
  },
};

for (const [name, { files, prints }] of Object.entries(PROGRAMS)) {
  test(`a project of ${name} is built and runs`, { skip }, async () => {
    await build(name, files);
    assert.equal(await engine.mustDocker('run', '--rm', name), prints);
  });
}

/** What a command in a container says, once it says something that fits. */
const answer = (container: string, command: string, expected: RegExp): Promise<string> =>
  eventually(
    `${container} answers ${expected}`,
    async () => {
      const result = await engine.docker('exec', container, 'sh', '-c', command);
      return result.code === 0 && expected.test(result.text) ? result.text : undefined;
    },
    30_000,
  );

test('PostgreSQL, as its public image does it: set up once by an entrypoint that becomes another user', {
  skip,
}, async () => {
  await build('postgres', {
    Dockerfile: `FROM ${BASE}
ENV PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/15/bin:$PATH LANG=C.UTF-8
RUN set -eux; mkdir -p "$PGDATA" /docker-entrypoint-initdb.d /run/postgresql; \\
    chown -R postgres:postgres "$PGDATA" /run/postgresql; chmod 1777 "$PGDATA"; \\
    gosu nobody true
COPY --chmod=755 docker-entrypoint.sh /usr/local/bin/
COPY init.sql /docker-entrypoint-initdb.d/
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
HEALTHCHECK --interval=1s CMD pg_isready -h /run/postgresql
CMD ["postgres"]
`,
    'docker-entrypoint.sh': `#!/bin/sh
set -e
if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
  chown postgres "$PGDATA"; chmod 700 "$PGDATA"
  exec gosu postgres "$0" "$@"
fi
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --auth=trust --no-sync > /dev/null
  pg_ctl -w -o "-c listen_addresses=''" start > /dev/null
  for file in /docker-entrypoint-initdb.d/*.sql; do psql -q -d postgres -f "$file"; done
  pg_ctl -m fast -w stop > /dev/null
fi
exec "$@"
`,
    'init.sql': "CREATE TABLE boats (name text); INSERT INTO boats VALUES ('tug'), ('barge');\n",
  });
  await engine.mustDocker(
    'run',
    '-d',
    '--name',
    'database',
    '-v',
    'pgdata:/var/lib/postgresql/data',
    'postgres',
  );
  const count = 'psql -U postgres -tAc "SELECT count(*) FROM boats" && ps -o user= -p 1';
  assert.match(await answer('database', count, /^\d/), /^2\npostgres$/);
  await answer('database', 'psql -U postgres -qc "INSERT INTO boats VALUES (\'raft\')"', /^$/);
  await engine.mustDocker('stop', 'database');
  assert.equal(await engine.mustDocker('inspect', '-f', '{{.State.ExitCode}}', 'database'), '0');
  await engine.mustDocker('start', 'database');
  assert.match(await answer('database', count, /^\d/), /^3\n/);
  await engine.mustDocker('rm', '-f', 'database');
  await engine.mustDocker('volume', 'rm', 'pgdata');
});

test('Redis from Debian keeps its data in a volume, and drops to its user', { skip }, async () => {
  await build('redis', {
    Dockerfile: `FROM ${BASE}
RUN mkdir /data && chown redis:redis /data
VOLUME /data
WORKDIR /data
COPY --chmod=0755 <<'EOF' /usr/local/bin/docker-entrypoint.sh
#!/bin/sh
set -e
[ "\${1#-}" = "$1" ] || set -- redis-server "$@"
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . \\! -user redis -exec chown redis '{}' +
  exec gosu redis "$0" "$@"
fi
exec "$@"
EOF
ENTRYPOINT ["docker-entrypoint.sh"]
EXPOSE 6379
CMD ["redis-server", "--appendonly", "yes"]
`,
  });
  const run = ['run', '-d', '--name', 'cache', '-v', 'redisdata:/data', 'redis'];
  await engine.mustDocker(...run, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always');
  await answer('cache', 'redis-cli set boat tug', /OK/);
  await engine.mustDocker('rm', '-f', 'cache');
  await engine.mustDocker(...run);
  assert.equal(await answer('cache', 'redis-cli get boat && ps -o user= -p 1', /tug/), 'tug\nredis');
  await engine.mustDocker('rm', '-f', 'cache');
  await engine.mustDocker('volume', 'rm', 'redisdata');
});

const fetchPage = (port: number, path: string) =>
  `python3 -c "import urllib.request as r; print(r.urlopen('http://127.0.0.1:${port}${path}').read().decode().strip())"`;

interface Server {
  readonly files: Readonly<Record<string, string>>;
  readonly port: number;
  readonly path: string;
  readonly says: RegExp;
}

const SERVERS: Readonly<Record<string, Server>> = {
  'nginx-static': {
    files: {
      Dockerfile: `FROM ${BASE} AS site
COPY site /site
RUN find /site -name '*.html' -exec sed -i 's/@VERSION@/7/' {} +
FROM ${BASE}
RUN ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log \\
 && rm /etc/nginx/sites-enabled/default
COPY nginx.conf /etc/nginx/conf.d/site.conf
COPY --from=site --chown=www-data /site /usr/share/nginx/html
EXPOSE 8080
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
`,
      'nginx.conf':
        'server { listen 8080; root /usr/share/nginx/html; location / { try_files $uri $uri/ /index.html; } }\n',
      'site/index.html': '<h1>version @VERSION@</h1>\n',
    },
    port: 8080,
    path: '/any/route',
    says: /^<h1>version 7<\/h1>$/,
  },
  'php-server': {
    files: {
      Dockerfile: `FROM ${BASE}
WORKDIR /var/www/html
COPY --chown=www-data:www-data src/ .
USER www-data
EXPOSE 8000
CMD ["php", "-S", "0.0.0.0:8000", "-t", ".", "router.php"]
`,
      'src/router.php':
        "<?php require 'lib/Greeter.php'; echo (new Greeter('php'))->greet(), ' ', posix_getuid();\n",
      'src/lib/Greeter.php':
        '<?php final class Greeter { public function __construct(private string $name) {} public function greet(): string { return "hello {$this->name}"; } }\n',
    },
    port: 8000,
    path: '/',
    says: /^hello php 33$/,
  },
  'ruby-sinatra': {
    files: {
      Dockerfile: `FROM ${BASE}
ENV RACK_ENV=production
WORKDIR /app
COPY . .
EXPOSE 9292
CMD ["puma", "--bind", "tcp://0.0.0.0:9292", "config.ru"]
`,
      'config.ru': "require './app'\nrun App\n",
      'app.rb':
        "require 'sinatra/base'\nclass App < Sinatra::Base\n  get('/hello/:name') { \"hello #{params[:name]}\" }\nend\n",
    },
    port: 9292,
    path: '/hello/ruby',
    says: /^hello ruby$/,
  },
  'supervisor-and-cron': {
    files: {
      Dockerfile: `FROM ${BASE}
RUN echo '* * * * * root date > /tmp/last' > /etc/cron.d/job && chmod 644 /etc/cron.d/job
COPY supervisord.conf /etc/supervisor/conf.d/app.conf
COPY www /srv/www
EXPOSE 8081
ENTRYPOINT ["tini", "--"]
CMD ["supervisord", "-n", "-c", "/etc/supervisor/supervisord.conf"]
`,
      'supervisord.conf': `[program:web]
command=python3 -m http.server 8081 --directory /srv/www
autorestart=true
[program:cron]
command=cron -f
`,
      'www/index.html': 'two programs\n',
    },
    port: 8081,
    path: '/',
    says: /^two programs$/,
  },
};

for (const [name, { files, port, path, says }] of Object.entries(SERVERS)) {
  test(`a server of ${name} is built and answers`, { skip }, async () => {
    await build(name, files);
    await engine.mustDocker('run', '-d', '--name', name, name);
    await answer(name, fetchPage(port, path), says);
    if (name === 'supervisor-and-cron') {
      assert.match(await answer(name, 'supervisorctl status', /web +RUNNING/), /cron +RUNNING/);
      assert.equal(await answer(name, 'ps -o comm= -p 1', /\w/), 'tini');
    }
    await engine.mustDocker('rm', '-f', name);
  });
}
