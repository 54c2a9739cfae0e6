#include "common/topic.h"

#include <stdio.h>
#include <string.h>

#define COLLECTORS "_collectors"
#define PREFIX_BYTES_MAX (TOPIC_BYTES_MAX - 80)

static const char *const leaves[] = {
    [TOPIC_FRAMES] = "frames",
    [TOPIC_STATUS] = "status",
    [TOPIC_ACKS] = "acks",
};

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool node_id_is_valid(const char *node)
{
    if (!is_alphanumeric(node[0]))
        return false;
    size_t n = 1;
    while (n <= NODE_ID_BYTES_MAX &&
           (is_alphanumeric(node[n]) || node[n] == '.' || node[n] == '_' || node[n] == '-'))
        n++;
    return node[n] == '\0' && n <= NODE_ID_BYTES_MAX;
}

bool topic_prefix_is_valid(const char *prefix)
{
    size_t size = strnlen(prefix, PREFIX_BYTES_MAX + 1);
    if (size == 0 || size > PREFIX_BYTES_MAX || !utf8_is_valid(prefix, size))
        return false;
    if (prefix[0] == '/' || prefix[size - 1] == '/')
        return false;
    /* '$' in front is the broker's own (MQTT 5, 4.7.2): subscriptions there work differently. */
    return strpbrk(prefix, "+#") == NULL && strstr(prefix, "//") == NULL && prefix[0] != '$';
}

void topic_format(char topic_out[TOPIC_BYTES_MAX], const char *prefix, enum topic_kind kind,
                  const char *id)
{
    /* Fits: see topic_prefix_is_valid() and NODE_ID_BYTES_MAX. */
    if (kind == TOPIC_COLLECTOR)
        (void)snprintf(topic_out, TOPIC_BYTES_MAX, "%s/%s/%s", prefix, COLLECTORS, id);
    else
        (void)snprintf(topic_out, TOPIC_BYTES_MAX, "%s/%s/%s", prefix, id, leaves[kind]);
}

static int copy_id(char id_out[NODE_ID_BYTES_MAX + 1], const char *text, size_t size)
{
    char id[NODE_ID_BYTES_MAX + 1];
    if (size > NODE_ID_BYTES_MAX)
        return TOPIC_UNKNOWN;
    memcpy(id, text, size);
    id[size] = '\0';
    if (!node_id_is_valid(id))
        return TOPIC_UNKNOWN;
    memcpy(id_out, id, size + 1);
    return 0;
}

int topic_parse(const char *topic, const char *prefix, enum topic_kind *kind_out,
                char id_out[NODE_ID_BYTES_MAX + 1])
{
    size_t prefix_bytes = strlen(prefix);
    if (strncmp(topic, prefix, prefix_bytes) != 0 || topic[prefix_bytes] != '/')
        return TOPIC_UNKNOWN;
    const char *first = topic + prefix_bytes + 1;
    const char *slash = strchr(first, '/');
    if (slash == NULL)
        return TOPIC_UNKNOWN;
    size_t first_bytes = (size_t)(slash - first);
    const char *second = slash + 1;

    if (first_bytes == strlen(COLLECTORS) && memcmp(first, COLLECTORS, first_bytes) == 0) {
        int r = copy_id(id_out, second, strlen(second));
        if (r == 0)
            *kind_out = TOPIC_COLLECTOR;
        return r;
    }
    for (enum topic_kind kind = TOPIC_FRAMES; kind <= TOPIC_ACKS; kind++) {
        if (strcmp(second, leaves[kind]) != 0)
            continue;
        int r = copy_id(id_out, first, first_bytes);
        if (r == 0)
            *kind_out = kind;
        return r;
    }
    return TOPIC_UNKNOWN;
}
