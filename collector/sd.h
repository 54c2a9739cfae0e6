/*
 * HTTP service discovery, as Prometheus reads it: a JSON array with one entry for each target, and
 * the collector's own.
 */
#ifndef SHOAL_COLLECTOR_SD_H
#define SHOAL_COLLECTOR_SD_H

#include "collector/live.h"

#define SD_ADDRESS_BYTES_MAX 300
#define SD_COLLECTOR_JOB "shoal-collector"

/* How a Prometheus reaches the collector. */
struct sd_address {
    char target[SD_ADDRESS_BYTES_MAX]; /* host:port */
    char prefix[SD_ADDRESS_BYTES_MAX]; /* of paths, "" or "/shoal" */
    bool is_https;
};

enum { SD_BAD = 1 };

/* From web.external_url where it is set ("https://host/prefix"; a missing port is the scheme's),
 * else from the request's Host. SD_BAD if neither says an address. */
WARN_UNUSED int sd_address(const char *external_url, const char *host,
                           struct sd_address *address_out);

/* NULL, or what is wrong with web.external_url (empty is good). */
const char *sd_check_url(const char *url);

/* The path of a target's page. */
void sd_append_path(struct buffer *out, const struct live_target *target);

void sd_write(struct live *live, const struct sd_address *address, struct buffer *out);

#endif
