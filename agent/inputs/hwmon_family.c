/*
 * Texts only: no file is looked at here.
 */
#include "agent/inputs/hwmon_family.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MILLI 1000.0
#define MICRO 1000000.0
#define TEXT_BYTES 1024

/* A rule for files of a type; the first that fits is taken. */
struct rule {
    const char *type;       /* NULL: any */
    const char *properties; /* "|a|b|", NULL: any */
    const char *suffix;     /* of the family's name */
    const char *help;       /* followed by the property where there is an open bracket */
    double divisor;
};

static const struct rule rules[] = {
    {NULL, "|beep|", "_enabled", "Hardware monitor sensor has beeping enabled", 1},
    {"in", NULL, "_volts", "Hardware monitor for voltage (", MILLI},
    {"cpu", NULL, "_volts", "Hardware monitor for voltage (", MILLI},
    {"temp", "|type|", "", "Hardware monitor temp element type", 1},
    {"temp", NULL, "_celsius", "Hardware monitor for temperature (", MILLI},
    {"curr", NULL, "_amps", "Hardware monitor for current (", MILLI},
    {"energy", NULL, "_joule_total", "Hardware monitor for joules used so far (", MICRO},
    {"power", "|accuracy|", "", "Hardware monitor power meter accuracy, as a ratio", MICRO},
    {"power", "|average_interval|average_interval_min|average_interval_max|", "_seconds",
     "Hardware monitor power usage update interval (", MILLI},
    {"power", NULL, "_watt", "Hardware monitor for power usage in watts (", MICRO},
    {"humidity", NULL, "",
     "Hardware monitor for humidity, as a ratio (multiply with 100.0 to get the humidity as a "
     "percentage) (",
     MICRO},
    {"fan", "|input|min|max|target|", "_rpm", "Hardware monitor for fan revolutions per minute (",
     1},
};

/* Attributes of the chip as a whole, which have families of their own. */
static const struct {
    const char *type;
    enum hwmon_kind kind;
    double divisor;
    struct family family;
} whole_chip[] = {
    {"beep_enable", HWMON_IS_ONE, 1,
     FAMILY(GAUGE, "node_hwmon_beep_enabled", "Hardware beep enabled")},
    {"vrm", HWMON_NUMBER, 1,
     FAMILY(GAUGE, "node_hwmon_voltage_regulator_version", "Hardware voltage regulator")},
    {"update_interval", HWMON_NUMBER, MILLI,
     FAMILY(GAUGE, "node_hwmon_update_interval_seconds", "Hardware monitor update interval")},
};

static const struct family label_family =
    FAMILY(GAUGE, "node_hwmon_sensor_label", "Label for given chip and sensor");

static bool is_one_of(const char *list, const char *property)
{
    char quoted[64];
    if (list == NULL)
        return true;
    int n = snprintf(quoted, sizeof(quoted), "|%s|", property);
    return n > 0 && (size_t)n < sizeof(quoted) && strstr(list, quoted) != NULL;
}

static const struct rule *find_rule(const char *type, const char *property)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if ((rules[i].type == NULL || strcmp(rules[i].type, type) == 0) &&
            is_one_of(rules[i].properties, property))
            return &rules[i];
    return NULL;
}

static bool fill_whole_chip(struct hwmon_element *element)
{
    for (size_t i = 0; i < sizeof(whole_chip) / sizeof(whole_chip[0]); i++) {
        if (strcmp(whole_chip[i].type, element->type) != 0)
            continue;
        element->kind = whole_chip[i].kind;
        element->divisor = whole_chip[i].divisor;
        element->family = whole_chip[i].family;
        return true;
    }
    return false;
}

/* "node_hwmon_temp_crit_celsius" */
static int fill_name(struct arena *arena, struct hwmon_element *element, bool has_bare,
                     const char *suffix)
{
    char property[HWMON_NAME_BYTES_MAX];
    char name[TEXT_BYTES];
    bool is_value = strcmp(element->property, "input") == 0 && !has_bare;
    hwmon_clean_name(property, sizeof(property), is_value ? "" : element->property);
    const char *separator = is_value || *element->property == '\0' ? "" : "_";
    (void)snprintf(name, sizeof(name), "node_hwmon_%s%s%s%s", element->type, separator, property,
                   suffix);
    element->family.name = arena_copy_text(arena, name, strlen(name));
    return element->family.name == NULL ? -ENOMEM : 0;
}

static int fill_help(struct arena *arena, struct hwmon_element *element, const char *help)
{
    element->family.help = arena_copy_text(arena, help, strlen(help));
    return element->family.help == NULL ? -ENOMEM : 0;
}

static int fill_by_rule(struct arena *arena, struct hwmon_element *element, bool has_bare,
                        const struct rule *rule)
{
    char help[HELP_BYTES_MAX];
    bool has_bracket = rule->help[strlen(rule->help) - 1] == '(';
    /* A bare temperature is told as if it were the input; other bare files are not. */
    bool is_bare_temp = *element->property == '\0' && strcmp(element->type, "temp") == 0;
    const char *property = is_bare_temp ? "input" : element->property;
    (void)snprintf(help, sizeof(help), "%s%s%s", rule->help, has_bracket ? property : "",
                   has_bracket ? ")" : "");
    element->divisor = rule->divisor;
    if (strcmp(element->type, "energy") == 0)
        element->family.type = FAMILY_COUNTER;
    int r = fill_name(arena, element, has_bare, rule->suffix);
    return r < 0 ? r : fill_help(arena, element, help);
}

/* Alarms have no unit, whatever they are of; nor has what no rule knows. */
static int fill_plain(struct arena *arena, struct hwmon_element *element, bool has_bare,
                      bool is_status)
{
    char help[HELP_BYTES_MAX];
    if (is_status)
        (void)snprintf(help, sizeof(help), "Hardware sensor %s status (%s)", element->property,
                       element->type);
    else
        (void)snprintf(help, sizeof(help), "Hardware monitor %s element %s", element->type,
                       element->property);
    int r = fill_name(arena, element, has_bare, "");
    return r < 0 ? r : fill_help(arena, element, help);
}

int hwmon_family_of(struct arena *arena, struct hwmon_element *element, bool has_bare)
{
    element->kind = HWMON_NUMBER;
    element->divisor = 1;
    element->family = (struct family){.unit = "", .type = FAMILY_GAUGE};
    if (strcmp(element->property, "label") == 0) {
        element->kind = HWMON_LABEL;
        element->family = label_family;
        return 0;
    }
    if (fill_whole_chip(element))
        return 0;
    bool is_status = is_one_of("|alarm|fault|", element->property);
    const struct rule *rule = is_status ? NULL : find_rule(element->type, element->property);
    return rule == NULL ? fill_plain(arena, element, has_bare, is_status)
                        : fill_by_rule(arena, element, has_bare, rule);
}

static bool is_kept(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ':' || c == '_';
}

void hwmon_clean_name(char *out, size_t out_bytes, const char *name)
{
    size_t n = 0;
    for (; *name != '\0' && n + 1 < out_bytes; name++) {
        unsigned char c = (unsigned char)*name;
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c - 'A' + 'a');
        if ((c & 0xC0) == 0x80)
            continue; /* the rest of a character that has its _ already */
        char kept = is_kept(c) ? (char)c : '_';
        if (n > 0 || kept != '_')
            out[n++] = kept;
    }
    while (n > 0 && out[n - 1] == '_')
        n--;
    out[n] = '\0';
}

void hwmon_device_name(char *out, size_t out_bytes, char *real_path)
{
    char bus[HWMON_NAME_BYTES_MAX / 2] = "";
    char device[HWMON_NAME_BYTES_MAX / 2];
    char *slash = strrchr(real_path, '/');
    hwmon_clean_name(device, sizeof(device), slash == NULL ? real_path : slash + 1);
    if (slash != NULL) {
        *slash = '\0';
        slash = strrchr(real_path, '/');
        hwmon_clean_name(bus, sizeof(bus), slash == NULL ? real_path : slash + 1);
    }
    (void)snprintf(out, out_bytes, "%s%s%s", device[0] == '\0' ? "" : bus,
                   bus[0] == '\0' || device[0] == '\0' ? "" : "_", device);
}
