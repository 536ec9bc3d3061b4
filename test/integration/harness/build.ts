import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkoutRoot } from '../../architecture/source-files.ts';
import type { Engine } from './engine.ts';

/** A folder of an engine's own with these files, to be built. */
export function contextFolder(engine: Engine, name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(engine.root, 'contexts', name);
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** Gives the engine's docker CLI buildx and compose, where `script/peers` put them. */
export function usePlugins(engine: Engine): void {
  const folder = engine.env.DOCKER_CONFIG ?? '';
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({ cliPluginsExtraDirs: [join(checkoutRoot, '.cache/peers/cli-plugins')] }),
  );
}

/** A project of Gradle that needs nothing but Gradle. */
export const GRADLE_PROJECT = {
  'settings.gradle': "rootProject.name = 'counter'\n",
  'build.gradle': "apply plugin: 'java'\napply plugin: 'application'\nmainClassName = 'Counter'\n",
  'src/main/java/Counter.java':
    'public class Counter {\n  public static void main(String[] args) { System.out.println("gradle " + args.length); }\n}\n',
} as const;

/** Settings by which Maven takes what Debian's packages bring, and nothing else. */
export const MAVEN_OFFLINE =
  '<settings><localRepository>/usr/share/maven-repo</localRepository><offline>true</offline></settings>';

/** A project of Maven with a dependency that Debian has. */
export const MAVEN_PROJECT = {
  'pom.xml': `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>shop</groupId><artifactId>shop</artifactId><version>1.0</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency><groupId>commons-io</groupId><artifactId>commons-io</artifactId><version>debian</version></dependency>
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId>
  </plugin></plugins></build>
</project>
`,
  'src/main/java/shop/Shop.java': `package shop;
import org.apache.commons.io.FilenameUtils;
public class Shop {
  public static void main(String[] args) { System.out.println("maven " + FilenameUtils.getExtension("boat.jar")); }
}
`,
} as const;
