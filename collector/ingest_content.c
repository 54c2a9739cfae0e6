/*
 * What a frame says, looked at when it is decoded: of what may a node speak, and what does it take.
 */
#include <stdio.h>
#include <string.h>

#include "collector/ingest_private.h"

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What only the collector and Prometheus may say of a target. */
static bool is_reserved(const char *family)
{
    return strcmp(family, "up") == 0 || has_prefix(family, "scrape_") ||
           has_prefix(family, "shoal_node_") || has_prefix(family, "shoal_collector_");
}

static int check_families(const struct frame *frame, struct rejection *rejection)
{
    for (size_t i = 0; i < frame->n_readings; i++) {
        const struct frame_reading *reading = &frame->readings[i];
        for (size_t k = 0; k < reading->n_families; k++) {
            if (!is_reserved(reading->families[k].name))
                continue;
            rejection->reason = REJECT_RESERVED;
            (void)snprintf(rejection->text, sizeof(rejection->text),
                           "family %.100s is not for nodes to send", reading->families[k].name);
            return DECODER_REJECTED;
        }
    }
    return 0;
}

/* Only the topic says which node a frame is of: an instance is the node's, or "NODE:..." for an
 * application beside it. Else it could stand in for another node's target. */
static bool is_instance_of(const char *instance, const char *node)
{
    size_t n = strlen(node);
    return instance[0] == '\0' ||
           (strncmp(instance, node, n) == 0 && (instance[n] == '\0' || instance[n] == ':'));
}

static int check_targets(const struct frame *frame, const char *node, struct rejection *rejection)
{
    for (size_t i = 0; i < frame->n_readings; i++) {
        const struct frame_input *input = frame->readings[i].definition;
        if (input == NULL || is_instance_of(input->instance, node))
            continue;
        rejection->reason = REJECT_RESERVED;
        (void)snprintf(rejection->text, sizeof(rejection->text),
                       "instance %.100s of input %.40s is not this node's", input->instance,
                       input->name);
        return DECODER_REJECTED;
    }
    return 0;
}

int ingest_check_content(const struct frame *frame, const char *node, struct rejection *rejection)
{
    int r = check_families(frame, rejection);
    return r == 0 ? check_targets(frame, node, rejection) : r;
}

size_t ingest_content_bytes(const struct frame *frame)
{
    size_t bytes = sizeof(*frame) + frame->n_readings * sizeof(struct frame_reading);
    for (size_t i = 0; i < frame->n_readings; i++) {
        const struct frame_reading *reading = &frame->readings[i];
        bytes += reading->n_changes * sizeof(struct frame_change);
        bytes += reading->n_gone * sizeof(uint32_t);
        bytes += reading->n_families * (sizeof(struct family) + METRIC_NAME_BYTES_MAX);
        for (size_t k = 0; k < reading->n_series; k++)
            bytes +=
                sizeof(struct frame_series) + reading->series[k].n_labels * sizeof(struct label);
    }
    return bytes;
}
