/*
 * Stands in for libsystemd when crun manages cgroups through the file system and has no use for it: nothing here is ever
 * called. With it the dynamic linker need not load libsystemd and the five libraries behind it at each start of crun.
 * Why so: docs/decisions/022-crun-without-libsystemd.md.
 */
#include <errno.h>

#define ABSENT(name) \
  int name(void) { return -ENOSYS; }

ABSENT(sd_bus_call)
ABSENT(sd_bus_default_system)
ABSENT(sd_bus_default_user)
ABSENT(sd_bus_error_free)
ABSENT(sd_bus_error_get_errno)
ABSENT(sd_bus_match_signal_async)
ABSENT(sd_bus_message_append)
ABSENT(sd_bus_message_append_strv)
ABSENT(sd_bus_message_close_container)
ABSENT(sd_bus_message_new_method_call)
ABSENT(sd_bus_message_open_container)
ABSENT(sd_bus_message_read)
ABSENT(sd_bus_message_unref)
ABSENT(sd_bus_process)
ABSENT(sd_bus_unref)
ABSENT(sd_bus_wait)
ABSENT(sd_journal_send_with_location)
ABSENT(sd_notify)
ABSENT(sd_notify_barrier)
