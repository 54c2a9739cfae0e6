/*
 * The real session behind mqtt.h: makes one connection after the other, waits between them with
 * back-off and full jitter, and hands on what they bring.
 */
#ifndef SHOAL_COMMON_MQTT_SESSION_H
#define SHOAL_COMMON_MQTT_SESSION_H

#include "common/mqtt.h"

/* A connection has to stay ready for this long before the back-off starts anew: one that is always
 * cut off at once (two clients of one id) must not come back twice a second. */
#define MQTT_STABLE_MS 60000

/* As mqtt_open. */
WARN_UNUSED int mqtt_session_open(const struct mqtt_options *options,
                                  const struct mqtt_events *events, void *context,
                                  struct mqtt **mqtt_out);

#endif
