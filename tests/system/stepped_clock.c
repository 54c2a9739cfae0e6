/*
 * Preloaded before libfaketime, for programs whose system clock a test sets: what libfaketime gets
 * wrong or leaves out. It takes every absolute time of a timerfd for one of the system clock, that
 * of a boot-time timer too; and adjtimex(2) is to say what the test wants, not what this machine's
 * kernel does: SHOAL_TEST_SYNCHRONISED is 1 or 0.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <unistd.h>

#define ERROR_US 1000
#define ERROR_US_UNKNOWN 16000000

int timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
                    struct itimerspec *old_value)
{
    return (int)syscall(SYS_timerfd_settime, fd, flags, new_value, old_value);
}

int adjtimex(struct timex *status)
{
    const char *text = getenv("SHOAL_TEST_SYNCHRONISED");
    int is_synchronised = text != NULL && strcmp(text, "1") == 0;
    memset(status, 0, sizeof(*status));
    status->status = is_synchronised ? STA_PLL : STA_UNSYNC;
    status->maxerror = is_synchronised ? ERROR_US : ERROR_US_UNKNOWN;
    return is_synchronised ? TIME_OK : TIME_ERROR;
}
