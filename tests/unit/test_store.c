/* SPDX-License-Identifier: Apache-2.0 */
/* The results that the service keeps: what is put in comes out, filters and counts agree, versions are told apart. */
#include "test.h"

#include "service/store.h"

#include <math.h>
#include <sqlite3.h>

static char folder[] = "/tmp/dinopatch-store-XXXXXX", path[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    snprintf(path, sizeof path, "%s/results.db", mkdtemp(folder) ? folder : "");
    return 0;
}

static int remove_one(const char *name, const struct stat *about, int kind, struct FTW *where)
{
    (void)about, (void)kind, (void)where;
    return remove(name);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static store_row row_at(int64_t time_ms, const char *bank, const char *label)
{
    return (store_row){.time_ms = time_ms,
                       .bank = bank,
                       .bank_sha256 = "aa",
                       .network_sha256 = "bb",
                       .program = "0.1.0",
                       .source = "a, \"b\".png",
                       .label = label,
                       .score = 0.1,
                       .p_value = NAN,
                       .threshold = 1.0 / 3,
                       .cell_threshold = NAN,
                       .width_px = 448,
                       .height_px = 336,
                       .ms = 12.5};
}

struct seen {
    int n;
    int64_t ids[64];
    char *csv;
};

static int see(void *user, const store_row *row)
{
    struct seen *seen = user;
    GString *csv = g_string_new(NULL);
    store_csv_row(csv, row);
    g_free(seen->csv);
    seen->csv = g_string_free(csv, FALSE);
    seen->ids[seen->n++] = row->id;
    return seen->n == 64;
}

static void what_is_put_in_comes_out(void **state)
{
    (void)state;
    store *s = NULL;
    assert_ok(store_open(path, DATABASE_WRITE, &s, err));
    store_row row = row_at(1764540902123, "bank", "anomalous");
    row.defects = "[{\"peak\":1.5}]";
    int64_t id = 0;
    assert_ok(store_add(s, &row, &id, err));
    store_close(&s);

    struct seen seen = {0};
    bool found = false;
    assert_ok(store_open(path, DATABASE_READ, &s, err));
    assert_ok(store_get(s, id, see, &seen, &found, err));
    assert_true(found && seen.n == 1);
    char expected[512];
    snprintf(expected, sizeof expected,
             "%d,2025-11-30T22:15:02.123Z,bank,aa,bb,0.1.0,\"a, \"\"b\"\".png\",anomalous,,,0.1,,0.333333333333,,448,"
             "336,\"[{\"\"peak\"\":1.5}]\",12.5,,,,\n",
             (int)id);
    assert_string_equal(seen.csv, expected);
    assert_ok(store_get(s, id + 1, see, &seen, &found, err));
    assert_false(found);
    g_free(seen.csv);
    store_close(&s);
}

/* Counts by whole days and their remainders against counting one by one. */
static void filters_and_counts_agree(void **state)
{
    (void)state;
    enum { N = 300 };
    const int64_t day = 86400000, start = 20000 * day;
    const char *labels[] = {"good", "anomalous", "not_inspected", NULL};
    const char *banks[] = {"one", "two"};
    store *s = NULL;
    assert_ok(store_open(path, DATABASE_WRITE, &s, err));
    for (int i = 0; i < N; i++) {
        store_row row = row_at(start + (int64_t)i * day / 48, banks[i % 2], labels[i * 7 % 11 % 4]);
        assert_ok(store_add(s, &row, NULL, err));
    }
    const int64_t ends[] = {
        0, start, start + 1, start + day / 2, start + day, start + 2 * day + 5, start + 6 * day, start + 7 * day};
    for (size_t a = 0; a < G_N_ELEMENTS(ends); a++) {
        for (size_t b = 0; b < G_N_ELEMENTS(ends); b++) {
            for (int bank = 0; bank < 3; bank++) {
                store_filter filter = {.since_ms = ends[a], .until_ms = ends[b], .bank = bank < 2 ? banks[bank] : NULL};
                int64_t expected[4] = {0};
                for (int i = 0; i < N; i++) {
                    int64_t at = start + (int64_t)i * day / 48;
                    if (at >= ends[a] && (!ends[b] || at < ends[b]) && (bank == 2 || i % 2 == bank))
                        expected[i * 7 % 11 % 4]++;
                }
                store_counts counts;
                assert_ok(store_count(s, &filter, &counts, err));
                assert_true(counts.good == expected[0] && counts.anomalous == expected[1]
                            && counts.not_inspected == expected[2] && counts.unlabelled == expected[3]);
            }
        }
    }
    store_close(&s);
}

static void pages_follow_each_other(void **state)
{
    (void)state;
    store *s = NULL;
    assert_ok(store_open(path, DATABASE_WRITE, &s, err));
    for (int i = 0; i < 10; i++) { /* pairs of the same time */
        store_row row = row_at(1000 + i / 2, "bank", "good");
        assert_ok(store_add(s, &row, NULL, err));
    }
    struct seen all = {0}, paged = {0};
    store_filter filter = {0};
    assert_ok(store_query(s, &filter, see, &all, err));
    assert_int_equal(all.n, 10);
    filter.limit = 3;
    for (int n = -1; n != paged.n;) {
        n = paged.n;
        assert_ok(store_query(s, &filter, see, &paged, err));
        filter.before_id = paged.ids[paged.n - 1];
        filter.before_time_ms = 1000 + (filter.before_id - 1) / 2;
    }
    assert_int_equal(paged.n, 10);
    assert_memory_equal(paged.ids, all.ids, sizeof all.ids);
    g_free(all.csv);
    g_free(paged.csv);
    store_close(&s);
}

static void a_verdict_is_given_and_taken_back(void **state)
{
    (void)state;
    store *s = NULL;
    bool found;
    int64_t id, oldest;
    char *picture = NULL;
    assert_ok(store_open(path, DATABASE_WRITE, &s, err));
    store_row row = row_at(1000, "bank", "good");
    row.picture = "p.jpg";
    assert_ok(store_add(s, &row, &id, err));
    struct seen seen = {0};
    store_filter filter = {.verdict = "defect"};
    assert_ok(store_set_verdict(s, id, "defect", 2000, &found, err));
    assert_true(found);
    assert_ok(store_query(s, &filter, see, &seen, err));
    assert_int_equal(seen.n, 1);
    assert_ok(store_set_verdict(s, id, NULL, 3000, &found, err));
    assert_ok(store_query(s, &filter, see, &seen, err));
    assert_int_equal(seen.n, 1);
    assert_ok(store_set_verdict(s, id + 1, "good", 3000, &found, err));
    assert_false(found);
    assert_ok(store_oldest_picture(s, &oldest, &picture, err));
    assert_true(oldest == id);
    assert_string_equal(picture, "p.jpg");
    assert_ok(store_forget_picture(s, id, err));
    assert_ok(store_oldest_picture(s, &oldest, &picture, err));
    assert_true(oldest == 0);
    g_free(picture);
    g_free(seen.csv);
    store_close(&s);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    store *s = NULL;
    sqlite3 *raw;
    assert_fails(DP_E_IO, "cannot be opened", store_open(path, DATABASE_READ, &s, err));
    assert_true(sqlite3_open(path, &raw) == SQLITE_OK && !sqlite3_exec(raw, "CREATE TABLE t(x)", NULL, NULL, NULL));
    sqlite3_close(raw);
    assert_fails(DP_E_IO, "none of dinopatch's results", store_open(path, DATABASE_WRITE, &s, err));
    unlink(path);
    assert_ok(store_open(path, DATABASE_WRITE, &s, err));
    store_close(&s);
    assert_true(sqlite3_open(path, &raw) == SQLITE_OK
                && !sqlite3_exec(raw, "PRAGMA user_version=99", NULL, NULL, NULL));
    sqlite3_close(raw);
    assert_fails(DP_E_IO, "newer program", store_open(path, DATABASE_WRITE, &s, err));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("this is no database, but a text that is longer than the head of one, which has one hundred bytes of it",
          file);
    fclose(file);
    assert_fails(DP_E_IO, "not a database", store_open(path, DATABASE_WRITE, &s, err));
}

/* A file of version 4, whose results do not say by which way they came. */
static void an_older_file_is_brought_up_to_date(void **state)
{
    (void)state;
    store *s = NULL;
    sqlite3 *raw;
    struct seen seen = {0};
    unlink(path);
    assert_ok(store_open(path, DATABASE_WRITE, &s, err));
    store_close(&s);
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(
            raw,
            "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = replace(sql, ', stream INTEGER REFERENCES"
            " streams(id)', '') WHERE name = 'results'; PRAGMA writable_schema=RESET;"
            "DROP TABLE streams; DROP TABLE drift; DROP VIEW result_rows; CREATE VIEW result_rows AS SELECT 1;"
            "CREATE TABLE drift(bank TEXT PRIMARY KEY, after_id INTEGER NOT NULL) WITHOUT ROWID;"
            "INSERT INTO drift VALUES('b', 0); INSERT INTO banks VALUES(1, 'b');"
            "INSERT INTO origins VALUES(1, 'aa', 'bb', '0.1.0');"
            "INSERT INTO results(time_ms, bank, origin, source, label) VALUES(5, 1, 1, 'old.png', 'good');"
            "PRAGMA user_version=4",
            NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(raw);
    assert_fails(DP_E_IO, "brings it up to date", store_open(path, DATABASE_READ, &s, err));
    assert_ok(store_open(path, DATABASE_WRITE, &s, err));
    store_row row = row_at(6, "b", "good");
    row.stream = "/srv/camera";
    assert_ok(store_add(s, &row, NULL, err));
    assert_ok(store_query(s, &(store_filter){0}, see, &seen, err));
    assert_int_equal(seen.n, 2);
    assert_non_null(strstr(seen.csv, "old.png"));
    assert_true(g_str_has_suffix(seen.csv, ",\n")); /* of the old one nobody knows the way */
    assert_ok(store_get(s, seen.ids[0], see, &seen, &(bool){false}, err));
    assert_true(g_str_has_suffix(seen.csv, ",/srv/camera\n"));
    g_free(seen.csv);
    store_close(&s);
}

static void times_are_read(void **state)
{
    (void)state;
    int64_t begin = 0, end = 0, time = 0;
    assert_true(store_time_read("2026-11-30", false, &begin) && store_time_read("2026-11-30", true, &end));
    assert_true(end - begin == 86400000);
    assert_true(store_time_read("2026-11-30T14:00", false, &time) && time == begin + 14 * 3600000);
    assert_true(store_time_read("2026-11-30T14:00:01.5Z", true, &time));
    char *text = store_time_text(time);
    assert_string_equal(text, "2026-11-30T14:00:01.500Z");
    g_free(text);
    assert_true(store_time_read("today", false, &time));
    const char *none[] = {"", "yesterday", "2026-13-01", "2026-11-30T25:00", "14:00", "2026-11-30x"};
    for (size_t i = 0; i < G_N_ELEMENTS(none); i++)
        assert_false(store_time_read(none[i], false, &time));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_in_comes_out, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(filters_and_counts_agree, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(pages_follow_each_other, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_verdict_is_given_and_taken_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(other_files_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(an_older_file_is_brought_up_to_date, make_folder, remove_folder),
        cmocka_unit_test(times_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
