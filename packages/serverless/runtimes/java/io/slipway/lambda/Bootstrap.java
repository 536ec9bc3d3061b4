package io.slipway.lambda;

import java.io.File;
import java.io.FileOutputStream;
import java.io.FileDescriptor;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The runtime of {@code java*}: takes invocations from the Runtime API and gives them to the function's handler. */
public final class Bootstrap {
  private Bootstrap() {}

  public static void main(String[] arguments) throws Exception {
    // Each line is an event: it is written as one.
    System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8));
    RuntimeClient client = new RuntimeClient(System.getenv("AWS_LAMBDA_RUNTIME_API"));
    ClassLoader loader = codeLoader(System.getenv("LAMBDA_TASK_ROOT"));
    Thread.currentThread().setContextClassLoader(loader);
    Handler handler;
    try {
      handler = Handler.load(System.getenv("_HANDLER"), loader);
    } catch (Throwable error) {
      Failure failure = Failure.of(unwrap(error));
      System.out.println(failure.logLine());
      client.initError(failure);
      System.exit(1);
      return;
    }
    while (true) {
      Invocation invocation = client.next();
      if (invocation.traceId() == null) System.clearProperty("com.amazonaws.xray.traceHeader");
      else System.setProperty("com.amazonaws.xray.traceHeader", invocation.traceId());
      byte[] response;
      try {
        response = handler.run(invocation.body(), new InvocationContext(invocation));
      } catch (Throwable error) {
        Failure failure = Failure.of(unwrap(error));
        System.out.println(failure.logLine());
        client.error(invocation.requestId(), failure);
        if (unwrap(error) instanceof VirtualMachineError) System.exit(1);
        continue;
      }
      client.response(invocation.requestId(), response);
    }
  }

  private static Throwable unwrap(Throwable error) {
    return error instanceof InvocationTargetException && error.getCause() != null ? error.getCause() : error;
  }

  /** Classes and jars of the function, then the layers'. Interfaces that they bring along are taken from here. */
  private static ClassLoader codeLoader(String root) throws MalformedURLException {
    List<URL> urls = new ArrayList<>();
    urls.add(new File(root + "/").toURI().toURL());
    for (String folder : List.of(root + "/lib", "/opt/java/lib")) {
      File[] jars = new File(folder).listFiles((dir, name) -> name.endsWith(".jar"));
      if (jars == null) continue;
      Arrays.sort(jars);
      for (File jar : jars) urls.add(jar.toURI().toURL());
    }
    return new URLClassLoader(urls.toArray(new URL[0]), Bootstrap.class.getClassLoader());
  }
}
