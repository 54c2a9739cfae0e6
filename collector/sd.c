#include "collector/sd.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "collector/url.h"

/* --- the address --- */

/* A URL's authority is host[:port]; a scheme is http or https. */
struct url {
    const char *host;
    size_t host_bytes;
    const char *path;
    bool is_https;
};

static const char *parse_url(const char *text, struct url *out)
{
    if (strncasecmp(text, "http://", 7) == 0)
        *out = (struct url){.host = text + 7};
    else if (strncasecmp(text, "https://", 8) == 0)
        *out = (struct url){.host = text + 8, .is_https = true};
    else
        return "does not begin with http:// or https://";
    out->host_bytes = strcspn(out->host, "/?#");
    out->path = out->host + out->host_bytes;
    if (out->host_bytes == 0 || memchr(out->host, '@', out->host_bytes) != NULL)
        return "names no host";
    if (strpbrk(out->path, "?#") != NULL)
        return "has a query or fragment";
    if (strlen(text) >= SD_ADDRESS_BYTES_MAX - 8)
        return "is too long";
    return NULL;
}

const char *sd_check_url(const char *url)
{
    struct url parsed;
    return url[0] == '\0' ? NULL : parse_url(url, &parsed);
}

static bool has_port(const char *host)
{
    const char *bracket = strrchr(host, ']');
    return strchr(bracket != NULL ? bracket : host, ':') != NULL;
}

static void set_target(struct sd_address *address, const char *host, size_t n)
{
    (void)snprintf(address->target, sizeof(address->target), "%.*s", (int)n, host);
    size_t used = strlen(address->target);
    if (!has_port(address->target))
        (void)snprintf(address->target + used, sizeof(address->target) - used, "%s",
                       address->is_https ? ":443" : ":80");
}

int sd_address(const char *external_url, const char *host, struct sd_address *address_out)
{
    struct url url;
    *address_out = (struct sd_address){0};
    if (external_url[0] == '\0') {
        if (host == NULL || host[0] == '\0' || strlen(host) >= SD_ADDRESS_BYTES_MAX - 8)
            return SD_BAD;
        set_target(address_out, host, strlen(host));
        return 0;
    }
    if (parse_url(external_url, &url) != NULL)
        return SD_BAD;
    address_out->is_https = url.is_https;
    set_target(address_out, url.host, url.host_bytes);
    size_t n = strlen(url.path);
    while (n > 0 && url.path[n - 1] == '/')
        n--;
    memcpy(address_out->prefix, url.path, n);
    return 0;
}

/* --- JSON --- */

static void append_string(struct buffer *out, const char *text)
{
    buffer_append(out, "\"", 1);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            buffer_print(out, "\\%c", c);
        else if (c < 0x20)
            buffer_print(out, "\\u%04x", c);
        else
            buffer_append(out, text, 1);
    }
    buffer_append(out, "\"", 1);
}

static void append_member(struct buffer *out, const char *name, const char *value)
{
    append_string(out, name);
    buffer_append(out, ":", 1);
    append_string(out, value);
}

struct writer {
    const struct sd_address *address;
    struct buffer *out;
    size_t n;
};

/* An entry up to its labels beside the path, the scheme and the job. */
static void begin_entry(struct writer *writer, const char *path, const char *job)
{
    struct buffer *out = writer->out;
    buffer_text(out, writer->n++ == 0 ? "[\n{\"targets\":[" : ",\n{\"targets\":[");
    append_string(out, writer->address->target);
    buffer_text(out, "],\"labels\":{");
    append_member(out, "__metrics_path__", path);
    if (writer->address->is_https) {
        buffer_text(out, ",");
        append_member(out, "__scheme__", "https");
    }
    buffer_text(out, ",");
    append_member(out, "job", job);
}

static void end_entry(struct writer *writer)
{
    buffer_text(writer->out, "}}");
}

void sd_append_path(struct buffer *out, const struct live_target *target)
{
    buffer_text(out, "/nodes/");
    url_append_segment(out, target->node);
    buffer_text(out, "/");
    url_append_segment(out, target->job);
    buffer_text(out, "/");
    url_append_segment(out, target->instance);
    buffer_text(out, "/metrics");
}

/* Labels that say what a target is are the collector's alone; `consumer` is kept for a cursor's
 * name. */
static bool is_reserved(const char *name)
{
    return strncmp(name, "__", 2) == 0 || strcmp(name, "job") == 0 ||
           strcmp(name, "instance") == 0 || strcmp(name, "consumer") == 0;
}

static void write_target(void *context, const struct live_target *target)
{
    struct writer *writer = context;
    BUFFER_AUTO struct buffer path = {0};
    buffer_text(&path, writer->address->prefix);
    sd_append_path(&path, target);
    begin_entry(writer, buffer_string(&path), target->job);
    buffer_text(writer->out, ",");
    append_member(writer->out, "instance", target->instance);
    for (size_t i = 0; i < target->n_labels; i++) {
        if (is_reserved(target->labels[i].name) || !label_name_is_valid(target->labels[i].name))
            continue;
        buffer_text(writer->out, ",");
        append_member(writer->out, target->labels[i].name, target->labels[i].value);
    }
    end_entry(writer);
}

void sd_write(struct live *live, const struct sd_address *address, struct buffer *out)
{
    struct writer writer = {.address = address, .out = out};
    BUFFER_AUTO struct buffer path = {0};
    buffer_print(&path, "%s/collector/metrics", address->prefix);
    begin_entry(&writer, buffer_string(&path), SD_COLLECTOR_JOB);
    buffer_text(out, ",");
    append_member(out, "instance", address->target);
    end_entry(&writer);
    live_targets(live, write_target, &writer);
    buffer_text(out, "\n]\n");
}
