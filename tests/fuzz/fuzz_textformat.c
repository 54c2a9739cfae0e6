/* The Prometheus text format's parser on any bytes: it stays within them, and what it takes fits
 * its bounds and its own rules. */
#include <stdlib.h>
#include <string.h>

#include "agent/textformat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_sample(const struct textformat *document, const struct textformat_sample *sample)
{
    check(sample->family < document->n_families);
    check(sample->n_labels <= LABELS_PER_SERIES_MAX);
    check(sample->first_label + sample->n_labels <= document->n_labels);
    for (size_t i = 0; i < sample->n_labels; i++) {
        const struct label *label = &document->labels[sample->first_label + i];
        check(label_name_is_valid(label->name));
        check(text_is_valid(label->value, LABEL_VALUE_BYTES_MAX));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct textformat document = {0};
    struct textformat_error error = {.what = NULL};
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    int r = textformat_parse(&document, text, size, &error);
    check(r == 0 || (r == TEXTFORMAT_BAD && error.what != NULL));
    check(r == 0 || (document.n_samples == 0 && document.n_families == 0));
    for (size_t i = 0; i < document.n_families; i++) {
        check(metric_name_is_valid(document.families[i].name));
        if (document.families[i].help != NULL)
            check(text_is_valid(document.families[i].help, HELP_BYTES_MAX));
    }
    for (size_t i = 0; i < document.n_samples; i++)
        check_sample(&document, &document.samples[i]);
    textformat_deinit(&document);
    free(text);
    return 0;
}
