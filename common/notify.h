/* Tells the service manager how it stands with the process: sd_notify(3)'s protocol. */
#ifndef SHOAL_COMMON_NOTIFY_H
#define SHOAL_COMMON_NOTIFY_H

/* Sends a state ("READY=1", "STOPPING=1") to the socket that $NOTIFY_SOCKET names. Nobody there,
 * or nobody who listens, is no error: nothing depends on it. Not from several threads at once with
 * setenv(3). */
void notify_state(const char *state);

#endif
