package io.slipway.lambda;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import io.slipway.lambda.Failure.RuntimeFailure;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;

/** A function's handler: {@code package.Class} of one of Lambda's interfaces, or {@code package.Class::method}. */
interface Handler {
  byte[] run(byte[] event, Context context) throws Exception;

  static Handler load(String name, ClassLoader loader) throws Exception {
    String[] parts = name.split("::", 2);
    Class<?> type;
    try {
      type = Class.forName(parts[0], true, loader);
    } catch (ClassNotFoundException error) {
      throw new RuntimeFailure("Runtime.ImportModuleError", "Class not found: " + parts[0], error);
    }
    String method = parts.length == 2 ? parts[1] : "handleRequest";
    if (method.equals("handleRequest") && RequestStreamHandler.class.isAssignableFrom(type)) {
      return ofStreams((RequestStreamHandler) create(type));
    }
    if (parts.length == 1 && !RequestHandler.class.isAssignableFrom(type)) {
      throw new RuntimeFailure(
          "Runtime.MalformedHandlerName",
          parts[0] + " implements neither RequestHandler nor RequestStreamHandler; name a method as Class::method",
          null);
    }
    return ofMethod(find(type, method), type);
  }

  private static Handler ofStreams(RequestStreamHandler handler) {
    return (event, context) -> {
      ByteArrayOutputStream output = new ByteArrayOutputStream();
      handler.handleRequest(new ByteArrayInputStream(event), output, context);
      return output.toByteArray();
    };
  }

  private static Handler ofMethod(Method method, Class<?> type) throws Exception {
    Object target = Modifier.isStatic(method.getModifiers()) ? null : create(type);
    Class<?>[] parameters = method.getParameterTypes();
    method.setAccessible(true);
    if (Arrays.asList(parameters).contains(OutputStream.class)) {
      return ofStreams((input, output, context) -> invokeStreams(method, target, input, output, context));
    }
    Type[] types = method.getGenericParameterTypes();
    Type eventType = types.length > 0 && parameters[0] != Context.class ? resolve(types[0], type) : Object.class;
    return (event, context) -> {
      Object[] arguments = new Object[parameters.length];
      for (int i = 0; i < arguments.length; i++) {
        if (parameters[i] == Context.class) arguments[i] = context;
        else arguments[i] = Json.convert(Json.read(new String(event, StandardCharsets.UTF_8)), eventType);
      }
      Object result = method.invoke(target, arguments);
      return Json.write(result).getBytes(StandardCharsets.UTF_8);
    };
  }

  private static void invokeStreams(
      Method method, Object target, InputStream input, OutputStream output, Context context) {
    Object[] arguments = new Object[method.getParameterCount()];
    for (int i = 0; i < arguments.length; i++) {
      Class<?> parameter = method.getParameterTypes()[i];
      arguments[i] = parameter == InputStream.class ? input : parameter == OutputStream.class ? output : context;
    }
    try {
      method.invoke(target, arguments);
    } catch (ReflectiveOperationException error) {
      Throwable cause = error.getCause() == null ? error : error.getCause();
      throw cause instanceof RuntimeException unchecked ? unchecked : new RuntimeException(cause);
    }
  }

  /** Of several methods of a name the one that says most, and not what the compiler made to bridge to it. */
  private static Method find(Class<?> type, String name) {
    return Arrays.stream(type.getMethods())
        .filter(method -> method.getName().equals(name) && !method.isBridge() && !method.isSynthetic())
        .max(Comparator.comparingInt(Method::getParameterCount))
        .orElseThrow(
            () -> new RuntimeFailure("Runtime.HandlerNotFound", name + " is not a public method of " + type.getName(), null));
  }

  private static Object create(Class<?> type) throws Exception {
    return type.getConstructor().newInstance();
  }

  /** What a type variable of RequestHandler stands for in this class. */
  private static Type resolve(Type type, Class<?> owner) {
    if (type instanceof Class<?> || type instanceof ParameterizedType) return type;
    for (Type given : owner.getGenericInterfaces()) {
      if (given instanceof ParameterizedType of && of.getRawType() == RequestHandler.class) {
        return of.getActualTypeArguments()[0];
      }
    }
    return Object.class;
  }
}
