/*
 * The interface alone: each call goes to the driver of the session, which is the real one
 * (mqtt_session.c) unless the options bring a provider of another.
 */
#include "common/mqtt.h"

#include "common/mqtt_session.h"

int mqtt_open(const struct mqtt_options *options, const struct mqtt_events *events, void *context,
              struct mqtt **mqtt_out)
{
    if (options->provider != NULL)
        return options->provider->open(options->provider, options, events, context, mqtt_out);
    return mqtt_session_open(options, events, context, mqtt_out);
}

void mqtt_close(struct mqtt *mqtt)
{
    if (mqtt != NULL)
        mqtt->driver->close(mqtt);
}

int64_t mqtt_turn(struct mqtt *mqtt, int64_t timeout_ms)
{
    return mqtt->driver->turn(mqtt, timeout_ms);
}

void mqtt_wake(struct mqtt *mqtt)
{
    mqtt->driver->wake(mqtt);
}

int mqtt_publish(struct mqtt *mqtt, const struct mqtt_message *message, int *id_out)
{
    return mqtt->driver->publish(mqtt, message, id_out);
}

bool mqtt_is_ready(const struct mqtt *mqtt)
{
    return mqtt->driver->is_ready(mqtt);
}

int mqtt_set_will(struct mqtt *mqtt, const void *payload, size_t size)
{
    return mqtt->driver->set_will(mqtt, payload, size);
}

void mqtt_drop(struct mqtt *mqtt, int64_t delay_ms)
{
    mqtt->driver->drop(mqtt, delay_ms);
}
