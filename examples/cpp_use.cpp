// SPDX-License-Identifier: Apache-2.0
// cpp_use.cpp - the library from C++17: owners that close, errors as exceptions, pictures from a vector.
//
//     c++ -std=c++17 cpp_use.cpp $(pkg-config --cflags --libs dinopatch) -o cpp_use && ./cpp_use
#include <dinopatch.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

template <typename T, void (*close)(T **)> struct Closer {
    void operator()(T *object) const { close(&object); }
};
template <typename T, void (*close)(T **)> using Owner = std::unique_ptr<T, Closer<T, close>>;
using Fit = Owner<dp_fit, dp_fit_close>;
using Bank = Owner<dp_bank, dp_bank_close>;
using Inspector = Owner<dp_inspector, dp_inspector_close>;

static void check(dp_status status, const dp_error &err)
{
    if (status != DP_OK)
        throw std::runtime_error(err.message);
}

// A gray plate with fine noise; a stain on it if asked for.
static std::vector<std::uint8_t> plate(unsigned seed, bool stained)
{
    std::vector<std::uint8_t> gray(256 * 192);
    for (int y = 0; y < 192; y++)
        for (int x = 0; x < 256; x++) {
            seed = seed * 1664525u + 1013904223u;
            int value = 110 + (x / 16 + y / 16) % 2 * 40 + static_cast<int>(seed >> 28);
            if (stained && (x - 150) * (x - 150) + (y - 90) * (y - 90) < 300)
                value = 20;
            gray[static_cast<std::size_t>(y * 256 + x)] = static_cast<std::uint8_t>(value);
        }
    return gray;
}

static dp_image view(const std::vector<std::uint8_t> &gray)
{
    dp_image image{};
    image.size = sizeof image;
    image.pixels = gray.data();
    image.width = 256;
    image.height = 192;
    image.format = DP_GRAY8;
    return image;
}

int main()
try {
    dp_error err{};
    dp_fit *begun = nullptr;
    check(dp_fit_begin(nullptr, nullptr, nullptr, &begun, &err), err);
    const Fit fit(begun);
    for (unsigned i = 0; i < 12; i++) {
        const auto gray = plate(i + 1, false);
        const dp_image image = view(gray);
        check(dp_fit_add(fit.get(), &image, ("plate " + std::to_string(i)).c_str(), &err), err);
    }
    dp_bank *learned = nullptr;
    check(dp_fit_end(fit.get(), &learned, &err), err);
    const Bank bank(learned);
    dp_inspector *opened = nullptr;
    check(dp_inspector_open(nullptr, bank.get(), nullptr, &opened, &err), err);
    const Inspector inspector(opened);
    for (const bool stained : {false, true}) {
        const auto gray = plate(99, stained);
        const dp_image image = view(gray);
        const dp_result *result = nullptr;
        check(dp_inspector_run(inspector.get(), &image, DP_RESULT_MAP, &result, &err), err);
        std::printf("%s plate: %s, score %.3f of %.3f\n", stained ? "stained" : "clean", dp_label_name(result->label),
                    result->score, result->threshold);
        for (std::size_t i = 0; i < result->n_defects; i++)
            std::printf("    defect at %.0f, %.0f\n", result->defects[i].centre_x_px, result->defects[i].centre_y_px);
    }
    return 0;
} catch (const std::exception &fault) {
    std::fprintf(stderr, "%s\n", fault.what());
    return 1;
}
