/* Any text as a topic, a prefix and a node id. A topic that is taken apart has to be the one that
 * its parts make. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool is_so)
{
    if (!is_so)
        abort();
}

static void try_topic(const char *topic, const char *prefix)
{
    enum topic_kind kind;
    char id[NODE_ID_BYTES_MAX + 1];
    if (topic_parse(topic, prefix, &kind, id) != 0)
        return;
    check(node_id_is_valid(id));
    char again[TOPIC_BYTES_MAX];
    topic_format(again, prefix, kind, id);
    check(strcmp(again, topic) == 0);
}

/* The text itself is tried, and its first line as a prefix of the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = calloc(1, size + 1);
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, bytes, size);
    try_topic(text, TOPIC_PREFIX_DEFAULT);
    char *line = strchr(text, '\n');
    if (line != NULL) {
        *line = '\0';
        if (topic_prefix_is_valid(text))
            try_topic(line + 1, text);
    }
    if (node_id_is_valid(text)) {
        char topic[TOPIC_BYTES_MAX];
        topic_format(topic, TOPIC_PREFIX_DEFAULT, TOPIC_FRAMES, text);
        enum topic_kind kind;
        char id[NODE_ID_BYTES_MAX + 1];
        check(topic_parse(topic, TOPIC_PREFIX_DEFAULT, &kind, id) == 0);
        check(kind == TOPIC_FRAMES && strcmp(id, text) == 0);
    }
    free(text);
    return 0;
}
