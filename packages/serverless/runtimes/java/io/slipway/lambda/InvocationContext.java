package io.slipway.lambda;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.util.HashMap;
import java.util.Map;

/** The context of one invocation. */
final class InvocationContext implements Context {
  private final Invocation invocation;

  InvocationContext(Invocation invocation) {
    this.invocation = invocation;
  }

  @Override
  public String getAwsRequestId() {
    return invocation.requestId();
  }

  @Override
  public String getLogGroupName() {
    return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
  }

  @Override
  public String getLogStreamName() {
    return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
  }

  @Override
  public String getFunctionName() {
    return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
  }

  @Override
  public String getFunctionVersion() {
    return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
  }

  @Override
  public String getInvokedFunctionArn() {
    return invocation.invokedFunctionArn();
  }

  @Override
  public CognitoIdentity getIdentity() {
    Map<?, ?> values = mapOf(invocation.identity());
    return new CognitoIdentity() {
      @Override
      public String getIdentityId() {
        return text(values, "cognitoIdentityId");
      }

      @Override
      public String getIdentityPoolId() {
        return text(values, "cognitoIdentityPoolId");
      }
    };
  }

  @Override
  public ClientContext getClientContext() {
    if (invocation.clientContext() == null) return null;
    Map<?, ?> values = mapOf(invocation.clientContext());
    Map<?, ?> client = values.get("client") instanceof Map<?, ?> given ? given : Map.of();
    return new ClientContext() {
      @Override
      public Client getClient() {
        return new ClientOf(client);
      }

      @Override
      public Map<String, String> getCustom() {
        return texts(values.get("custom"));
      }

      @Override
      public Map<String, String> getEnvironment() {
        return texts(values.get("env"));
      }
    };
  }

  @Override
  public int getRemainingTimeInMillis() {
    return (int) Math.max(0, invocation.deadlineMs() - System.currentTimeMillis());
  }

  @Override
  public int getMemoryLimitInMB() {
    return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
  }

  @Override
  public LambdaLogger getLogger() {
    return new LambdaLogger() {
      @Override
      public void log(String message) {
        String text = message.endsWith("\n") ? message.substring(0, message.length() - 1) : message;
        System.out.println(text.replace('\n', '\r'));
      }

      @Override
      public void log(byte[] message) {
        log(new String(message, java.nio.charset.StandardCharsets.UTF_8));
      }
    };
  }

  private record ClientOf(Map<?, ?> values) implements Client {
    @Override
    public String getInstallationId() {
      return text(values, "installation_id");
    }

    @Override
    public String getAppTitle() {
      return text(values, "app_title");
    }

    @Override
    public String getAppVersionName() {
      return text(values, "app_version_name");
    }

    @Override
    public String getAppVersionCode() {
      return text(values, "app_version_code");
    }

    @Override
    public String getAppPackageName() {
      return text(values, "app_package_name");
    }
  }

  private static Map<?, ?> mapOf(String json) {
    return json != null && Json.read(json) instanceof Map<?, ?> map ? map : Map.of();
  }

  private static String text(Map<?, ?> values, String name) {
    return values.get(name) == null ? null : String.valueOf(values.get(name));
  }

  private static Map<String, String> texts(Object given) {
    Map<String, String> result = new HashMap<>();
    if (given instanceof Map<?, ?> map) map.forEach((name, value) -> result.put((String) name, String.valueOf(value)));
    return result;
  }
}
