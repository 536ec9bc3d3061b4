#include "shim.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_BYTES 16384

static int log_fd = -1;
static char log_path[PATH_MAX];
static int64_t log_size, log_max_size;
static int log_max_files;
static struct buffer pending;

static void open_file(int flags) {
  log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0640);
  struct stat st;
  log_size = log_fd >= 0 && fstat(log_fd, &st) == 0 ? st.st_size : 0;
}

void log_open(const char *path, int64_t max_size, int max_files) {
  if (!*path) return;
  snprintf(log_path, sizeof log_path, "%s", path);
  log_max_size = max_size;
  log_max_files = max_files > 0 ? max_files : 1;
  open_file(0);
}

static void rotate(void) {
  close(log_fd);
  if (log_max_files == 1) {
    open_file(O_TRUNC);
    return;
  }
  char from[PATH_MAX + 16], to[PATH_MAX + 16];
  for (int i = log_max_files - 1; i > 0; i--) {
    snprintf(to, sizeof to, "%s.%d", log_path, i);
    if (i > 1) snprintf(from, sizeof from, "%s.%d", log_path, i - 1);
    rename(i > 1 ? from : log_path, to);
  }
  open_file(0);
}

/* Records reach the file whole: one that does not fit on the disk is taken back. */
static void flush(void) {
  size_t size = buffer_size(&pending);
  if (size == 0) return;
  if (log_fd >= 0) {
    if (write_all(log_fd, pending.data + pending.start, size)) log_size += (int64_t)size;
    else if (ftruncate(log_fd, log_size) < 0) log_size += 0;
  }
  buffer_drop(&pending, size);
}

/* The length of the UTF-8 sequence at `s`, or 0 when it is not one. */
static size_t utf8_length(const unsigned char *s, size_t size) {
  if (s[0] < 0x80) return 1;
  size_t n = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
  if (s[0] > 0xf4 || n == 0 || n > size) return 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
  if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
  return n;
}

/* One byte or sequence as JSON, escaped as Go's encoder does; returns what it took of the input. */
static size_t escape(const unsigned char *s, size_t size, char *out, size_t *written) {
  const char *two = NULL;
  switch (s[0]) {
  case '"': two = "\\\""; break;
  case '\\': two = "\\\\"; break;
  case '\n': two = "\\n"; break;
  case '\r': two = "\\r"; break;
  case '\t': two = "\\t"; break;
  }
  size_t n = utf8_length(s, size);
  if (two) {
    memcpy(out, two, 2);
    *written = 2;
  } else if (n == 0) {
    memcpy(out, "\\ufffd", 6);
    *written = 6;
  } else if (n == 1 && (s[0] < 0x20 || s[0] == '<' || s[0] == '>' || s[0] == '&')) {
    static const char hex[] = "0123456789abcdef";
    memcpy(out, "\\u00", 4);
    out[4] = hex[s[0] >> 4];
    out[5] = hex[s[0] & 15];
    *written = 6;
  } else if (n == 3 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9)) {
    memcpy(out, s[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
    *written = 6;
  } else {
    memcpy(out, s, n);
    *written = n;
  }
  return n ? n : 1;
}

static void add_time(void) {
  int64_t ns = now_ns();
  time_t seconds = ns / 1000000000;
  struct tm tm;
  gmtime_r(&seconds, &tm);
  char fraction[16], text[96];
  /* Go's RFC3339Nano: zeros at the end are not written. */
  int digits = snprintf(fraction, sizeof fraction, ".%09d", (int)(ns % 1000000000));
  while (digits > 0 && fraction[digits - 1] == '0') digits--;
  if (digits == 1) digits = 0;
  int n = snprintf(text, sizeof text, "\",\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d%.*sZ\"}\n", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, digits, fraction);
  buffer_add(&pending, text, (size_t)n);
}

static void add_record(const char *stream, const char *line, size_t size) {
  buffer_add(&pending, "{\"log\":\"", 8);
  char out[512];
  size_t used = 0;
  for (size_t i = 0; i < size;) {
    size_t written = 0;
    i += escape((const unsigned char *)line + i, size - i, out + used, &written);
    used += written;
    if (used > sizeof out - 8) {
      buffer_add(&pending, out, used);
      used = 0;
    }
  }
  buffer_add(&pending, out, used);
  buffer_add(&pending, "\",\"stream\":\"", 12);
  buffer_add(&pending, stream, strlen(stream));
  add_time();
  bool full = log_max_size > 0 && log_size + (int64_t)buffer_size(&pending) >= log_max_size;
  if (full || buffer_size(&pending) > 65536) flush();
  if (full && log_fd >= 0) rotate();
}

void log_add(struct log_stream *s, const char *data, size_t size) {
  if (log_fd < 0) return;
  while (size > 0) {
    const char *newline = memchr(data, '\n', size);
    size_t part = newline ? (size_t)(newline - data) + 1 : size;
    if (s->length + part > LOG_LINE_BYTES) part = LOG_LINE_BYTES - s->length;
    bool whole = data[part - 1] == '\n' || s->length + part == LOG_LINE_BYTES;
    if (whole && s->length == 0) {
      add_record(s->name, data, part);
    } else {
      if (!s->line && !(s->line = malloc(LOG_LINE_BYTES))) break;
      memcpy(s->line + s->length, data, part);
      s->length += part;
      if (whole) log_end(s);
    }
    data += part;
    size -= part;
  }
  flush();
}

void log_end(struct log_stream *s) {
  if (s->length > 0) add_record(s->name, s->line, s->length);
  free(s->line);
  s->line = NULL;
  s->length = 0;
  flush();
}
