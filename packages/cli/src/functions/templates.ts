import { SlipwayError } from '@slipway/base/errors';
import { MANIFEST } from './manifest.ts';

/** A function to begin with: its files by their paths. */
export interface Template {
  /** `nodejs`; the runtimes that begin with it are begun so. */
  readonly family: string;
  /** What `fn init` takes when only the family is named. */
  readonly runtime: string;
  readonly handler: string;
  readonly files: Readonly<Record<string, string>>;
}

const EVENT = `{
  "name": "Ada"
}
`;

const GREETING = `{
  "message": "Hello, Ada!"
}
`;

const NODE = `export async function handler(event, context) {
  console.log('request', context.awsRequestId);
  return { message: \`Hello, \${event.name ?? 'world'}!\` };
}
`;

const PYTHON = `def handler(event, context):
    print("request", context.aws_request_id)
    return {"message": f"Hello, {event.get('name', 'world')}!"}
`;

/** Without a dependency: any class with such a method will do. */
const JAVA = `package hello;

import java.util.Map;

public class Handler {
    public Map<String, String> handle(Map<String, Object> event) {
        return Map.of("message", "Hello, " + event.getOrDefault("name", "world") + "!");
    }
}
`;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hello</groupId>
  <artifactId>hello</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
</project>
`;

/** Without a dependency: the Runtime API is two requests. */
const GO = `package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

type event struct {
	Name string \`json:"name"\`
}

func handle(input []byte) (any, error) {
	e := event{Name: "world"}
	if err := json.Unmarshal(input, &e); err != nil {
		return nil, err
	}
	return map[string]string{"message": "Hello, " + e.Name + "!"}, nil
}

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(api + "next")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		input, _ := io.ReadAll(next.Body)
		next.Body.Close()
		id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
		what, output := "/response", any(nil)
		if output, err = handle(input); err != nil {
			what, output = "/error", map[string]string{"errorType": "Error", "errorMessage": err.Error()}
		}
		body, _ := json.Marshal(output)
		done, err := http.Post(api+id+what, "application/json", bytes.NewReader(body))
		if err == nil {
			done.Body.Close()
		}
	}
}
`;

const json = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;

const EVENTS = { 'events/hello.json': EVENT, 'events/hello.expected.json': GREETING };

/** One for each family of runtimes. */
export const TEMPLATES: readonly Template[] = [
  {
    family: 'nodejs',
    runtime: 'nodejs24.x',
    handler: 'index.handler',
    files: { 'index.mjs': NODE, ...EVENTS },
  },
  {
    family: 'python',
    runtime: 'python3.11',
    handler: 'app.handler',
    files: { 'app.py': PYTHON, ...EVENTS },
  },
  {
    family: 'java',
    runtime: 'java17',
    handler: 'hello.Handler::handle',
    files: { 'pom.xml': POM, 'src/main/java/hello/Handler.java': JAVA, ...EVENTS },
  },
  {
    family: 'provided',
    runtime: 'provided.al2023',
    handler: 'bootstrap',
    files: { 'main.go': GO, 'go.mod': 'module hello\n\ngo 1.19\n', ...EVENTS },
  },
];

/** A template's files with its manifest. @throws InvalidArgument for a runtime that has none */
export function templateFiles(
  runtime: string,
  name: string,
): { readonly files: Map<string, string>; readonly runtime: string } {
  const template = TEMPLATES.find(({ family }) => runtime === '' || runtime.startsWith(family));
  if (template === undefined) {
    const known = TEMPLATES.map(({ family }) => family).join(', ');
    throw new SlipwayError('InvalidArgument', `there is no template for "${runtime}"; there are ${known}`);
  }
  const chosen = runtime === '' || runtime === template.family ? template.runtime : runtime;
  const manifest = { name, runtime: chosen, handler: template.handler, memory: 128, timeout: 3 };
  return { runtime: chosen, files: new Map([[MANIFEST, json(manifest)], ...Object.entries(template.files)]) };
}
