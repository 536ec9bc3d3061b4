import { SlipwayError } from '@slipway/base/errors';
import { chooseBase, settleVersion, stage, type Version } from '../base-image.ts';
import { cmdOf } from '../command-line.ts';
import { COMMON_IGNORE, joinStages, NOT_STARTED, type PackagePlan, type PlanOptions } from '../plan.ts';
import { bashProbe, describeHealth, type Health } from '../probes.ts';
import type { Project } from '../project.ts';

const LONG_TERM = [8, 11, 17, 21, 25];
const DEFAULT_VERSION = '21';
const DEFAULT_PORT = 8080;
/** Where the build puts the jars: the program's own, and what it depends on. */
const OUT = '/out';

interface JavaBuild {
  readonly tool: 'Maven' | 'Gradle';
  readonly file: string;
  readonly image: (version: string) => string;
  readonly apt: readonly string[];
  /** Lines that fetch dependencies, then compile into OUT. */
  readonly lines: readonly string[];
  readonly why: string;
}

/** A Java or Kotlin project: pom.xml or build.gradle. @throws InvalidArgument when no class has a main method */
export function planJava(project: Project, options: PlanOptions): PackagePlan | undefined {
  const build = mavenBuild(project) ?? gradleBuild(project);
  if (build === undefined) return undefined;
  const text = project.text(build.file) ?? '';
  const version = settleVersion(options.base, 'Java', javaVersion(text));
  const isSpring = /spring-boot/.test(text);
  const isWeb =
    /spring-boot-starter-(?:web|webflux|webmvc)|quarkus-(?:rest|resteasy)|micronaut-http-server|javalin|jetty-server/.test(
      text,
    );
  const startsItself = isSpring || options.isFunction === true;
  const mainClass = startsItself ? undefined : findMainClass(project, text, options.entry);
  const port = isWeb ? serverPort(project) : undefined;
  const health: Health = /spring-boot-starter-actuator/.test(text)
    ? { path: '/actuator/health', lenient: false }
    : { path: '/', lenient: true };
  const tools = chooseBase(options.base, { image: build.image(version.number) }, build.apt);
  const runtime = chooseBase(options.base, { image: `eclipse-temurin:${version.number}-jre` }, [
    'default-jre-headless',
  ]);
  const compile = [...stage(tools, 'build'), 'WORKDIR /src', ...build.lines];
  const start =
    mainClass === undefined
      ? ['java', '-jar', '/app/app.jar']
      : ['java', '-cp', '/app/app.jar:/app/lib/*', mainClass];
  return {
    kind: 'Java',
    why: [
      `${build.file}: built by ${build.tool}`,
      version.why,
      build.why,
      isSpring
        ? 'Spring Boot: one jar that starts itself'
        : ((mainClass && `main class: ${mainClass}`) ?? NOT_STARTED.why),
      ...(port === undefined ? [] : [`port ${port}`, describeHealth(health)]),
    ],
    warnings: version.warnings,
    dockerfile: joinStages(compile, [
      ...stage(runtime, 'app'),
      ...runtime.addUser,
      'WORKDIR /app',
      `COPY --from=build ${OUT}/ ./`,
      ...(port === undefined ? [] : [`ENV PORT=${port} SERVER_PORT=${port}`, `EXPOSE ${port}`]),
      `USER ${runtime.user}`,
      port !== undefined && bashProbe(health, port),
      cmdOf(start),
    ]),
    ignore: [...COMMON_IGNORE, 'target', 'build', '.gradle', 'out', '*.class'],
    functionPlan: isSpring ? undefined : functionPlan(compile, version.number),
  };
}

/** Lambda puts the zip's root and the jars of its folder `lib` on the class path. */
const functionPlan = (compile: readonly string[], version: string) => ({
  dockerfile: joinStages(compile, [
    'FROM scratch',
    `COPY --from=build ${OUT}/lib /lib`,
    `COPY --from=build ${OUT}/app.jar /lib/`,
  ]),
  runtime: `java${version}`,
  handler: undefined,
});

/** The jar of the project itself, not of its sources or as it was before Spring made it start itself. */
const pickJar = (folder: string) =>
  `cp "$(find ${folder} -maxdepth 1 -name '*.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar' ! -name '*-plain.jar' ! -name 'original-*' | sort | head -n 1)" ${OUT}/app.jar`;

function mavenBuild(project: Project): JavaBuild | undefined {
  const pom = project.text('pom.xml');
  if (pom === undefined) return undefined;
  if (/<modules>/.test(pom)) {
    throw new SlipwayError(
      'InvalidArgument',
      'pom.xml has several modules: package the one that starts (slipway package DIR/MODULE), or write a Dockerfile from --print of it',
    );
  }
  const cache = '--mount=type=cache,target=/root/.m2';
  const collect = /spring-boot/.test(pom)
    ? ''
    : ` \\\n && mvn -B -q dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=${OUT}/lib`;
  return {
    tool: 'Maven',
    file: 'pom.xml',
    image: (version) => `maven:3.9-eclipse-temurin-${version}`,
    apt: ['maven', 'default-jdk-headless'],
    lines: [
      'COPY pom.xml ./',
      // Without the code, so that the next build has them already. Not go-offline, which wants every plugin that Maven knows.
      `RUN ${cache} mvn -B -q dependency:resolve`,
      'COPY . .',
      `RUN ${cache} mkdir -p ${OUT}/lib \\\n && mvn -B -q package -DskipTests${collect} \\\n && ${pickJar('target')}`,
    ],
    why: 'dependencies in a layer that stays until pom.xml changes',
  };
}

function gradleBuild(project: Project): JavaBuild | undefined {
  const file = ['build.gradle.kts', 'build.gradle'].find((path) => project.has(path));
  if (file === undefined) return undefined;
  const wrapped = project.has('gradlew');
  const gradle = `${wrapped ? 'sh gradlew' : 'gradle'} --no-daemon --quiet`;
  const files = ['build.gradle*', 'settings.gradle*', 'gradle.properties', 'gradlew'].filter((pattern) =>
    project.files.some((path) => path.startsWith(pattern.replace('*', '')) && !path.includes('/')),
  );
  const wrapper = project.files.some((path) => path.startsWith('gradle/')) ? ['COPY gradle gradle'] : [];
  const cache = '--mount=type=cache,target=/root/.gradle';
  const isSpring = /spring-boot|org\.springframework\.boot/.test(project.text(file) ?? '');
  // What the plugin "application" installs has all jars in one folder.
  const task = isSpring ? 'bootJar' : 'installDist';
  const collect = isSpring ? '' : ` \\\n && cp build/install/*/lib/*.jar ${OUT}/lib/`;
  return {
    tool: 'Gradle',
    file,
    image: (version) => (wrapped ? `eclipse-temurin:${version}-jdk` : `gradle:8-jdk${version}`),
    apt: ['default-jdk-headless', ...(wrapped ? [] : ['gradle'])],
    lines: [
      `COPY ${files.join(' ')} ./`,
      ...wrapper,
      `RUN ${cache} ${gradle} dependencies > /dev/null`,
      'COPY . .',
      `RUN ${cache} mkdir -p ${OUT}/lib \\\n && ${gradle} ${task} -x test${collect} \\\n && ${pickJar('build/libs')}`,
    ],
    why: wrapped ? "the project's own gradlew" : 'no gradlew: Gradle 8',
  };
}

function javaVersion(text: string): Version {
  const patterns = [
    /<(?:java\.version|maven\.compiler\.(?:release|source|target)|release)>\s*(?:1\.)?(\d+)/,
    /(?:languageVersion\s*=\s*JavaLanguageVersion\.of\(|jvmToolchain\(|sourceCompatibility\s*=\s*['"]?(?:JavaVersion\.VERSION_)?(?:1[._])?)(\d+)/,
  ];
  const asked = Number(
    patterns.map((pattern) => pattern.exec(text)?.[1]).find((found) => found !== undefined) ?? 0,
  );
  // Images are kept for the releases with long-term support; each runs what the older ones run.
  if (asked === 0) return { number: DEFAULT_VERSION, place: undefined };
  return { number: String(LONG_TERM.find((version) => version >= asked) ?? asked), place: 'the build file' };
}

function findMainClass(project: Project, text: string, entry: string): string {
  if (entry !== '') return entry;
  const named = /<mainClass>\s*([\w.$]+)\s*<|mainClass(?:\.set\(|\s*=\s*)['"]([\w.$]+)/.exec(text);
  if (named !== null) return (named[1] ?? named[2]) as string;
  const classes = project.files.flatMap((path) => mainClassOf(project, path));
  if (classes.length === 1) return classes[0] as string;
  throw new SlipwayError(
    'InvalidArgument',
    classes.length === 0
      ? 'cannot tell what starts this Java project: no class below src/main has a main method. Name it with --entry CLASS'
      : `this Java project has several main classes: ${classes.join(', ')}. Name one with --entry`,
  );
}

function mainClassOf(project: Project, path: string): readonly string[] {
  const source = /^src\/main\/(?:java|kotlin)\/(.+)\.(java|kt)$/.exec(path);
  if (source === null) return [];
  const text = project.text(path) ?? '';
  const name = (source[1] as string).replaceAll('/', '.');
  if (source[2] === 'java') return /public\s+static\s+void\s+main\s*\(/.test(text) ? [name] : [];
  return /^fun main\s*\(/m.test(text) ? [`${name}Kt`] : [];
}

function serverPort(project: Project): number {
  const files = ['src/main/resources/application.properties', 'src/main/resources/application.yml'];
  for (const path of files) {
    const port = /(?:server\.port\s*=\s*|^server:\s*\n\s+port:\s*)(?:\$\{\w+:)?(\d{2,5})/m.exec(
      project.text(path) ?? '',
    )?.[1];
    if (port !== undefined) return Number(port);
  }
  return DEFAULT_PORT;
}
