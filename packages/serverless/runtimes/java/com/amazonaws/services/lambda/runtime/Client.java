package com.amazonaws.services.lambda.runtime;

/** A mobile client's application. */
public interface Client {
  String getInstallationId();

  String getAppTitle();

  String getAppVersionName();

  String getAppVersionCode();

  String getAppPackageName();
}
