/*
 * slipway-shim gate: the first program of a sandbox that was prepared without what is to run in it. It asks the daemon, over
 * the sandbox's own loopback, and becomes what it is told: a folder, a count, that many arguments, then variables, each with
 * a NUL at its end.
 */
#include "shim.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GATE_PORT 9001
#define MAX_VARIABLES 1024

static int say_why(const char *what) {
  dprintf(2, "%s: %s\n", what, strerror(errno));
  return 126;
}

/* The body of the one answer, of `size` bytes. */
static char *ask(size_t *size) {
  static const char request[] = "GET /slipway/start HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(GATE_PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) return NULL;
  if (!write_all(fd, request, sizeof request - 1)) return NULL;
  struct buffer answer = {0};
  char chunk[4096];
  for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 || !buffer_add(&answer, chunk, (size_t)n)) return NULL;
  }
  close(fd);
  char *all = answer.data + answer.start;
  size_t length = buffer_size(&answer);
  char *body = length ? memmem(all, length, "\r\n\r\n", 4) : NULL;
  errno = ECONNRESET;
  if (!body) return NULL;
  body += 4;
  *size = length - (size_t)(body - all);
  return body;
}

int gate(void) {
  size_t size = 0;
  char *body = ask(&size);
  if (!body) return say_why("the function's environment was given up");
  struct strings s = {body, body + size};
  const char *folder = next_string(&s);
  char **argv = folder ? next_list(&s) : NULL, *variables[MAX_VARIABLES + 1];
  int count = 0;
  while (argv && s.at < s.end && count < MAX_VARIABLES && (variables[count] = next_string(&s))) count++;
  variables[count] = NULL;
  errno = EINVAL;
  if (!argv || !argv[0]) return say_why("nothing to run");
  if (chdir(folder) < 0) return say_why(folder);
  execve(argv[0], argv, variables);
  return say_why(argv[0]);
}
