package io.slipway.lambda;

import io.slipway.lambda.Failure.RuntimeFailure;
import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** JSON <-> maps, lists, texts and numbers, and those <-> a function's own classes, by their properties. */
final class Json {
  private final String text;
  private int at;

  private Json(String text) {
    this.text = text;
  }

  static Object read(String text) {
    Json json = new Json(text);
    json.skipSpace();
    if (json.at == text.length()) return null;
    Object value = json.value();
    json.skipSpace();
    if (json.at < text.length()) throw json.failure("something after the end");
    return value;
  }

  private Object value() {
    skipSpace();
    switch (peek()) {
      case '{':
        return object();
      case '[':
        return array();
      case '"':
        return string();
      case 't':
        return word("true", Boolean.TRUE);
      case 'f':
        return word("false", Boolean.FALSE);
      case 'n':
        return word("null", null);
      default:
        return number();
    }
  }

  private Map<String, Object> object() {
    Map<String, Object> map = new LinkedHashMap<>();
    at++;
    skipSpace();
    if (peek() == '}') {
      at++;
      return map;
    }
    while (true) {
      skipSpace();
      String name = string();
      skipSpace();
      expect(':');
      map.put(name, value());
      skipSpace();
      if (peek() == ',') at++;
      else break;
    }
    expect('}');
    return map;
  }

  private List<Object> array() {
    List<Object> list = new ArrayList<>();
    at++;
    skipSpace();
    if (peek() == ']') {
      at++;
      return list;
    }
    while (true) {
      list.add(value());
      skipSpace();
      if (peek() == ',') at++;
      else break;
    }
    expect(']');
    return list;
  }

  private String string() {
    expect('"');
    StringBuilder result = new StringBuilder();
    while (peek() != '"') {
      char c = text.charAt(at++);
      if (c != '\\') {
        result.append(c);
        continue;
      }
      char escaped = peek();
      at++;
      switch (escaped) {
        case 'n' -> result.append('\n');
        case 't' -> result.append('\t');
        case 'r' -> result.append('\r');
        case 'b' -> result.append('\b');
        case 'f' -> result.append('\f');
        case 'u' -> {
          if (at + 4 > text.length()) throw failure("a cut escape");
          result.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
          at += 4;
        }
        default -> result.append(escaped);
      }
    }
    at++;
    return result.toString();
  }

  private Object number() {
    int start = at;
    while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
    String digits = text.substring(start, at);
    try {
      if (digits.matches("-?\\d{1,9}")) return Integer.valueOf(digits);
      if (digits.matches("-?\\d{1,18}")) return Long.valueOf(digits);
      return digits.matches("-?\\d+") ? new BigDecimal(digits).toBigInteger() : (Object) Double.valueOf(digits);
    } catch (NumberFormatException error) {
      throw failure("no value");
    }
  }

  private Object word(String word, Object value) {
    if (!text.startsWith(word, at)) throw failure("no value");
    at += word.length();
    return value;
  }

  private char peek() {
    if (at >= text.length()) throw failure("an end too early");
    return text.charAt(at);
  }

  private void expect(char c) {
    if (peek() != c) throw failure("no " + c);
    at++;
  }

  private void skipSpace() {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) at++;
  }

  private RuntimeFailure failure(String what) {
    return new RuntimeFailure("Runtime.UnmarshalError", "the event is not JSON: " + what + " at " + at, null);
  }

  /** Makes of what was read a value of a type. */
  static Object convert(Object value, Type type) {
    Class<?> raw = type instanceof ParameterizedType of ? (Class<?>) of.getRawType() : type instanceof Class<?> c ? c : Object.class;
    Type[] arguments = type instanceof ParameterizedType of ? of.getActualTypeArguments() : new Type[0];
    if (raw == Optional.class) return Optional.ofNullable(convert(value, argument(arguments, 0)));
    if (value == null) return null;
    if (raw == Object.class) return value;
    if (raw == String.class) return value instanceof String ? value : write(value);
    if (raw == boolean.class || raw == Boolean.class) return value instanceof Boolean ? value : Boolean.valueOf(value.toString());
    if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) return number(value, raw);
    if (raw.isEnum()) return constant(raw, value.toString());
    if (raw.isArray()) return array(value, raw.getComponentType());
    if (Map.class.isAssignableFrom(raw)) {
      Map<String, Object> map = new LinkedHashMap<>();
      ((Map<?, ?>) value).forEach((name, item) -> map.put((String) name, convert(item, argument(arguments, 1))));
      return map;
    }
    if (Collection.class.isAssignableFrom(raw)) {
      Collection<Object> items = Set.class.isAssignableFrom(raw) ? new LinkedHashSet<>() : new ArrayList<>();
      for (Object item : (Collection<?>) value) items.add(convert(item, argument(arguments, 0)));
      return items;
    }
    if (!(value instanceof Map<?, ?> properties)) {
      throw new RuntimeFailure("Runtime.UnmarshalError", "cannot make a " + raw.getName() + " of " + write(value), null);
    }
    try {
      return raw.isRecord() ? record(properties, raw) : bean(properties, raw);
    } catch (ReflectiveOperationException error) {
      throw new RuntimeFailure("Runtime.UnmarshalError", "cannot make a " + raw.getName() + ": " + error, error);
    }
  }

  private static Type argument(Type[] arguments, int index) {
    return index < arguments.length ? arguments[index] : Object.class;
  }

  private static Object number(Object value, Class<?> type) {
    BigDecimal number = new BigDecimal(value.toString());
    if (type == int.class || type == Integer.class) return number.intValue();
    if (type == long.class || type == Long.class) return number.longValue();
    if (type == double.class || type == Double.class) return number.doubleValue();
    if (type == float.class || type == Float.class) return number.floatValue();
    if (type == short.class || type == Short.class) return number.shortValue();
    if (type == byte.class || type == Byte.class) return number.byteValue();
    if (type == java.math.BigInteger.class) return number.toBigInteger();
    return number;
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static Object constant(Class<?> type, String name) {
    return Enum.valueOf((Class<? extends Enum>) type, name);
  }

  private static Object array(Object value, Class<?> component) {
    List<?> items = (List<?>) value;
    Object array = Array.newInstance(component, items.size());
    for (int i = 0; i < items.size(); i++) Array.set(array, i, convert(items.get(i), component));
    return array;
  }

  private static Object record(Map<?, ?> properties, Class<?> type) throws ReflectiveOperationException {
    RecordComponent[] components = type.getRecordComponents();
    Class<?>[] types = new Class<?>[components.length];
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      types[i] = components[i].getType();
      Object given = properties.get(components[i].getName());
      values[i] = given == null && types[i].isPrimitive() ? Array.get(Array.newInstance(types[i], 1), 0) : convert(given, components[i].getGenericType());
    }
    var constructor = type.getDeclaredConstructor(types);
    constructor.setAccessible(true);
    return constructor.newInstance(values);
  }

  private static Object bean(Map<?, ?> properties, Class<?> type) throws ReflectiveOperationException {
    var constructor = type.getDeclaredConstructor();
    constructor.setAccessible(true);
    Object bean = constructor.newInstance();
    for (Method method : type.getMethods()) {
      if (!method.getName().startsWith("set") || method.getParameterCount() != 1) continue;
      Object value = find(properties, method.getName().substring(3));
      if (value == null) continue;
      method.setAccessible(true);
      method.invoke(bean, convert(value, method.getGenericParameterTypes()[0]));
    }
    for (Field field : type.getFields()) {
      Object value = find(properties, field.getName());
      if (value == null || Modifier.isStatic(field.getModifiers()) || Modifier.isFinal(field.getModifiers())) continue;
      field.set(bean, convert(value, field.getGenericType()));
    }
    return bean;
  }

  /** A property's name may begin with a small letter or, as in some of AWS's events, with a capital. */
  private static Object find(Map<?, ?> properties, String name) {
    Object value = properties.get(Character.toLowerCase(name.charAt(0)) + name.substring(1));
    return value == null ? properties.get(name) : value;
  }

  static String write(Object value) {
    StringBuilder out = new StringBuilder();
    write(value, out);
    return out.toString();
  }

  private static void write(Object value, StringBuilder out) {
    if (value == null) out.append("null");
    else if (value instanceof Optional<?> optional) write(optional.orElse(null), out);
    else if (value instanceof Boolean || value instanceof Number && isFinite(value)) out.append(value);
    else if (value instanceof Map<?, ?> map) writeMap(map, out);
    else if (value instanceof Collection<?> items) writeItems(items, out);
    else if (value.getClass().isArray()) {
      List<Object> items = new ArrayList<>();
      for (int i = 0; i < Array.getLength(value); i++) items.add(Array.get(value, i));
      writeItems(items, out);
    } else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum<?> || value.getClass().getName().startsWith("java.")) {
      quote(value.toString(), out);
    } else {
      writeMap(properties(value), out);
    }
  }

  private static boolean isFinite(Object number) {
    return !(number instanceof Double d && !Double.isFinite(d)) && !(number instanceof Float f && !Float.isFinite(f));
  }

  private static void writeMap(Map<?, ?> map, StringBuilder out) {
    String separator = "{";
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      out.append(separator);
      quote(String.valueOf(entry.getKey()), out);
      out.append(':');
      write(entry.getValue(), out);
      separator = ",";
    }
    out.append(separator.equals("{") ? "{}" : "}");
  }

  private static void writeItems(Collection<?> items, StringBuilder out) {
    String separator = "[";
    for (Object item : items) {
      out.append(separator);
      write(item, out);
      separator = ",";
    }
    out.append(separator.equals("[") ? "[]" : "]");
  }

  private static Map<String, Object> properties(Object bean) {
    Map<String, Object> map = new LinkedHashMap<>();
    try {
      if (bean.getClass().isRecord()) {
        for (RecordComponent component : bean.getClass().getRecordComponents()) {
          component.getAccessor().setAccessible(true);
          map.put(component.getName(), component.getAccessor().invoke(bean));
        }
        return map;
      }
      for (Method method : bean.getClass().getMethods()) {
        String name = method.getName();
        int prefix = name.startsWith("get") ? 3 : name.startsWith("is") ? 2 : 0;
        boolean isGetter = prefix > 0 && name.length() > prefix && method.getParameterCount() == 0 && !name.equals("getClass");
        if (!isGetter || Modifier.isStatic(method.getModifiers()) || method.getReturnType() == void.class) continue;
        method.setAccessible(true);
        map.put(Character.toLowerCase(name.charAt(prefix)) + name.substring(prefix + 1), method.invoke(bean));
      }
      for (Field field : bean.getClass().getFields()) {
        if (!Modifier.isStatic(field.getModifiers())) map.putIfAbsent(field.getName(), field.get(bean));
      }
    } catch (ReflectiveOperationException error) {
      throw new RuntimeFailure("Runtime.MarshalError", "cannot read a " + bean.getClass().getName() + ": " + error, error);
    }
    return map;
  }

  private static void quote(String text, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c == '\n') out.append("\\n");
      else if (c == '\r') out.append("\\r");
      else if (c == '\t') out.append("\\t");
      else if (c < 0x20) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    out.append('"');
  }
}
