/*
 * The log: lines on standard error, with the priority in front as sd-daemon(3) reads it when the
 * journal listens, else with UTC time and level. common/ and inputs/ do not log.
 */
#ifndef SHOAL_COMMON_LOG_H
#define SHOAL_COMMON_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are left out. The only state, set by main.c; default INFO. */
void log_set_level(enum log_level level);

__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);

#endif
