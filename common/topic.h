/* Node ids and MQTT topics: PREFIX/NODE/frames, /status, /acks, PREFIX/_collectors/ID. */
#ifndef SHOAL_COMMON_TOPIC_H
#define SHOAL_COMMON_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

#include "common/series.h"

#define NODE_ID_BYTES_MAX 63
#define TOPIC_BYTES_MAX 256
#define TOPIC_PREFIX_DEFAULT "shoal/v1"

enum topic_kind { TOPIC_FRAMES, TOPIC_STATUS, TOPIC_ACKS, TOPIC_COLLECTOR };
enum { TOPIC_UNKNOWN = 1 };

/* [A-Za-z0-9][A-Za-z0-9._-]{0,62} */
bool node_id_is_valid(const char *node);

/* No wildcard, no leading or trailing slash, no empty level, at most TOPIC_BYTES_MAX - 80 bytes. */
bool topic_prefix_is_valid(const char *prefix);

/* Writes the topic of a valid prefix and id (node or collector; "+" to subscribe to all). */
void topic_format(char topic_out[TOPIC_BYTES_MAX], const char *prefix, enum topic_kind kind,
                  const char *id);

/* Splits a topic: 0, or TOPIC_UNKNOWN where it fits nothing or holds no valid id. */
WARN_UNUSED int topic_parse(const char *topic, const char *prefix, enum topic_kind *kind_out,
                            char id_out[NODE_ID_BYTES_MAX + 1]);

#endif
