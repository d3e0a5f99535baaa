import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.pages import page
from satsr.pages.chart import dot_plot, line_chart, trend
from satsr.pages.closeup import Closeup
from satsr.pages.panels import Panel, before_after_png, panel_context
from satsr.pages.report import Report, Timeline, write_report
from satsr.scores import Interval
from satsr.seeds import generator

LOADING = {"src", "href", "action", "data", "poster", "srcset", "xlink:href", "formaction", "background"}


def picture(*key: int, side: int = 64) -> np.ndarray:
    noise = generator(0, "report", *key).standard_normal((side, side, 3))
    return np.clip(128 + 400 * cv2.GaussianBlur(noise, (0, 0), 3), 0, 255).astype(np.uint8)


def panel(number: int = 0, side: int = 64) -> Panel:
    hr = picture(number, side=side)
    low = cv2.resize(hr, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
    bicubic = cv2.resize(low, (side, side), interpolation=cv2.INTER_CUBIC)
    ours = cv2.addWeighted(hr, 0.7, bicubic, 0.3, 0)
    scores = {"bicubic": {"psnr_rgb_u8": 26.5}, "ours": {"psnr_rgb_u8": 31.25, "ssim_rgb_u8": 0.9}}
    return Panel(f"clip {number}", {"HR": hr, "ours": ours, "LR": low, "bicubic": bicubic}, scores)


def report() -> Report:
    means = {
        "bicubic": {"psnr_rgb_u8": 26.0, "ssim_rgb_u8": 0.8, "niqe_y_u8": 7.0},
        "ours": {"psnr_rgb_u8": 31.25, "ssim_rgb_u8": 0.9, "niqe_y_u8": 7.5},
    }
    row = np.stack([picture(0, index)[3] for index in range(5)])
    return Report(
        "RASVSR, satellite video x4",
        "Wang, Li, Zhao: RASVSR (2024)",
        means,
        published=[{"method": "bicubic", "psnr_rgb_u8": 35.583}, {"method": "RASVSR", "psnr_rgb_u8": 39.93}],
        clips=[{"clip": "000", "RASVSR": 39.87, "this run": None}],
        clips_metric="psnr_rgb_u8",
        verdict="Not comparable: other data.",
        scenes={"000": means, "001": {**means, "ours": {**means["ours"], "psnr_rgb_u8": 25.0}}},
        curves={"loss": [(1, 0.5), (2, 0.1)], "network/val_psnr": [(1, 20.0)], "ema/val_psnr": [(1, 21.0)]},
        panels=[panel(0), panel(1)],
        timelines=[Timeline("Still ground", dict.fromkeys(("bicubic", "ours", "HR"), row))],
        manifest={"git": {"commit": "0123abcd", "dirty": False}, "lock_sha256": None},
        notes=["One note."],
    )


class Page(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def images(self, kind: str) -> list[str]:
        return [str(found["src"]) for tag, found in self.tags if tag == "img" and found.get("data-kind") == kind]


def written(path: Path, content: Report) -> str:
    write_report(path, content)
    return path.read_text(encoding="utf-8")


def decoded(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.split(",", 1)[1])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_published_clips_stand_beside_ours(tmp_path: Path) -> None:
    text = written(tmp_path / "report.html", report())
    assert "Clip by clip, psnr_rgb_u8" in text and "39.87" in text
    bare = written(tmp_path / "bare.html", replace(report(), clips=()))
    assert "Clip by clip" not in bare


def test_the_page_loads_nothing_from_anywhere(tmp_path: Path) -> None:
    text = written(tmp_path / "report.html", report())
    for tag, attributes in Page(text).tags:
        assert tag not in ("link", "iframe", "object", "base")
        for name in LOADING & set(attributes):
            assert str(attributes[name]).startswith("data:image/"), (tag, name)
    assert all(found.startswith('"data:image/') for found in re.findall(r"url\((.{12})", text))
    assert "http://" not in text and "https://" not in text and "@import" not in text


def test_consistency_has_a_table_of_its_own_and_crowds_no_other(tmp_path: Path) -> None:
    def with_consistency(scores: dict[str, float], bias: float) -> dict[str, float]:
        bands = {f"consistency_bias_{band}": bias for band in ("red", "green")}
        return scores | bands | {"consistency_rmse": abs(bias), "consistency_sam_deg": 0.5}

    plain = report()
    means = {name: with_consistency(dict(scores), bias) for bias, (name, scores) in enumerate(plain.summary.items())}
    content = replace(plain, summary=means, scenes={"000": means})
    text = written(tmp_path / "report.html", content)
    parts = {part.split("</h2>")[0]: part for part in text.split("<h2>")[1:]}
    (section,) = [part for name, part in parts.items() if name.startswith("Radiometry")]
    assert section.index("consistency_rmse") < section.index("consistency_bias_red")
    assert text.count("consistency_bias_red") == section.count("consistency_bias_red") > 0
    assert content.gains == plain.gains
    assert "Radiometry" not in written(tmp_path / "plain.html", plain)


def test_the_whole_frame_stands_small_below_the_first_picture_where_that_is_a_part(tmp_path: Path) -> None:
    small = picture(7, side=24)
    text = written(tmp_path / "report.html", replace(report(), panels=[replace(panel(0), where=small), panel(1)]))
    (shown,) = (found for tag, found in Page(text).tags if tag == "img" and "The whole frame" in str(found.get("alt")))
    np.testing.assert_array_equal(decoded(str(shown["src"])), small)
    assert "The whole frame" not in written(tmp_path / "plain.html", report())


def test_equal_reports_are_equal_bytes(tmp_path: Path) -> None:
    one, two = (written(tmp_path / name, report()) for name in ("one.html", "two.html"))
    assert one == two


def test_every_text_is_escaped(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    content = replace(
        report(),
        title=evil,
        paper=evil,
        verdict=evil,
        notes=[evil],
        manifest={evil: {evil: evil}},
        scenes={evil: report().summary},
        curves={f"a/{evil}": [(1, 2.0)], f"b/{evil}": [(1, 2.0)]},
        panels=[replace(panel(), title=evil)],
        timelines=[replace(report().timelines[0], title=evil)],
        published=[{"method": evil, "psnr_rgb_u8": 30.0}],
    )
    found = Page(written(tmp_path / "report.html", content))
    assert not [attributes for _, attributes in found.tags if "onerror" in attributes]


def test_the_heading_says_gain_or_loss_against_the_baseline(tmp_path: Path) -> None:
    def heading(content: Report) -> str:
        found = re.search(r"<h1>(.*?)</h1>", written(tmp_path / "report.html", content))
        return found[1] if found else ""

    better = report()
    worse = replace(better, summary={"ours": better.summary["bicubic"], "bicubic": better.summary["ours"]})
    assert heading(better) == "PSNR is 5.25 dB better than bicubic"
    assert heading(worse) == "PSNR is 5.25 dB worse than bicubic"
    assert heading(replace(better, headline="niqe_y_u8")) == "NIQE is 0.500 worse than bicubic"
    assert heading(replace(better, summary={})) == better.title


def test_gains_are_shown_with_their_intervals_and_what_cannot_be_told_apart_is_said(tmp_path: Path) -> None:
    gains = {
        "psnr_rgb_u8": Interval(5.25, 4.1, 6.4, 20, "scenes", "BCa bootstrap", p_holm=0.002),
        "ssim_rgb_u8": Interval(0.1, -0.1, 0.3, 20, "scenes", "BCa bootstrap"),
        "niqe_y_u8": Interval(0.5, 0.2, 0.9, 6, "scenes", "BCa bootstrap", "These are few scenes (6)."),
    }
    text = written(tmp_path / "report.html", replace(report(), gains=gains))
    assert "<h1>PSNR is 5.25 dB [4.10, 6.40] better than bicubic (95 %, 20 scenes)</h1>" in text
    assert "+5.25 dB [4.10, 6.40]" in text and "95 %, only 6 scenes" in text
    table = text[text.index("with their uncertainty") :]
    rows = [
        re.findall(r">([^<>]+)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table[: table.index("</table>")])
    ]
    assert [row[3] for row in rows[1:]] == ["better", "cannot be told apart", "worse"]
    assert '<p class="note">niqe_y_u8: These are few scenes (6).</p>' in text and "Efron and Tibshirani" in text
    assert table.count("<title>") == 2  # a dot for each scene
    content = replace(report(), gains=gains, headline="ssim_rgb_u8")
    assert "SSIM cannot be told apart from bicubic: +0.1000 [−0.1000, 0.3000], 95 %, 20 scenes" in written(
        tmp_path / "other.html", content
    )


def test_dots_stand_in_the_order_of_their_values_with_the_mean_within_its_interval() -> None:
    svg = str(dot_plot({"<a>": -1.0, "b": 2.0, "c": float("inf")}, 0.5, (0.1, 0.9), "gain"))
    places = [float(place) for place in re.findall(r'class="dot s0" cx="([\d.]+)"', svg)]
    assert len(places) == 2 and places[0] < places[1] and "&lt;a&gt;" in svg and "inf" not in svg
    ((low, high),) = re.findall(r'class="line s1" x1="([\d.]+)" x2="([\d.]+)"', svg)
    (mean,) = re.findall(r'class="dot s1" cx="([\d.]+)"', svg)
    assert places[0] < float(low) < float(mean) < float(high) < places[1]
    assert "No values" in dot_plot({"a": float("nan")}, 0.0, None, "gain")


def test_panels_stand_in_the_fixed_order_with_their_scores(tmp_path: Path) -> None:
    text = written(tmp_path / "report.html", report())
    kinds = [found["data-kind"] for tag, found in Page(text).tags if tag == "img" and "data-kind" in found]
    assert kinds == ["LR", "bicubic", "ours", "HR", "error"] * 2
    assert "PSNR 31.25 dB" in text and "SSIM 0.9000" in text


def test_pictures_are_kept_without_loss_and_once(tmp_path: Path) -> None:
    content = report()
    text = written(tmp_path / "report.html", content)
    for name in ("LR", "bicubic", "ours", "HR"):
        uris = Page(text).images(name)
        for uri, shown in zip(uris, content.panels, strict=True):
            assert np.array_equal(decoded(uri), shown.images[name])
            assert text.count(uri) == 1


def test_error_maps_share_one_scale(tmp_path: Path) -> None:
    small, large = panel(0), panel(1)
    weak = np.clip(small.images["HR"].astype(int) + 2, 0, 255).astype(np.uint8)
    strong = np.clip(large.images["HR"].astype(int) + 40, 0, 255).astype(np.uint8)
    panels = [
        replace(small, images={**small.images, "ours": weak}),
        replace(large, images={**large.images, "ours": strong}),
    ]
    context, top, _ = panel_context(panels, "ours", "bicubic")
    maps = [decoded(found["pictures"][-1]["uri"]) for found in context]
    assert top == 40
    assert np.array_equal(maps[0], page.heat_map(np.abs(weak.astype(float) - small.images["HR"]).mean(2), top))
    assert maps[0].mean() < 20 < 150 < maps[1].mean()


def test_a_perfect_result_has_an_empty_error_map_and_an_infinite_psnr(tmp_path: Path) -> None:
    shown = panel()
    images = {**shown.images, "ours": shown.images["HR"]}
    content = replace(
        report(),
        panels=[Panel("perfect", images, {"ours": {"psnr_rgb_u8": float("inf"), "niqe_y_u8": float("nan")}})],
    )
    text = written(tmp_path / "report.html", content)
    assert "PSNR ∞ dB" in text and "NIQE –" in text
    assert np.ptp(decoded(Page(text).images("error")[0]), axis=(0, 1)).max() == 0


@pytest.mark.slow
def test_six_large_panels_stay_below_five_megabytes(tmp_path: Path) -> None:
    panels = [panel(number, side=640) for number in range(6)]
    noise = generator(0, "report", 99).integers(-12, 13, (640, 640, 3))
    panels = [
        replace(shown, images={name: noisy(image, noise) for name, image in shown.images.items()}) for shown in panels
    ]
    text = written(tmp_path / "report.html", replace(report(), panels=panels))
    assert len(text.encode()) < 5e6
    assert re.search(r"Kept as JPEG, quality \d+", text)


def noisy(image: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return np.clip(image + noise[: image.shape[0], : image.shape[1]], 0, 255).astype(np.uint8)


def test_pictures_of_different_sizes_or_types_are_refused(tmp_path: Path) -> None:
    shown = panel()
    for bad, words in ((picture(2, side=60), "differ in size"), (shown.images["HR"] / 255, "must be uint8")):
        content = replace(report(), panels=[replace(shown, images={**shown.images, "ours": bad})])
        with pytest.raises(SatsrError, match=words):
            write_report(tmp_path / "report.html", content)
    assert not list(tmp_path.iterdir())


def test_the_published_table_ends_with_this_run(tmp_path: Path) -> None:
    text = written(tmp_path / "report.html", report())
    table = text[text.index("Against the published table") :]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table[: table.index("</table>")])
    cells = [re.findall(r">([^<>]+)</td>", row) for row in rows[1:]]
    assert cells == [["bicubic", "35.583"], ["RASVSR", "39.930"], ["ours (this run)", "31.250"]]


def test_scenes_are_counted_and_sortable_by_number(tmp_path: Path) -> None:
    text = written(tmp_path / "report.html", report())
    assert "PSNR is better than bicubic in 1 of 2 scenes" in text
    table = text[text.index('<table class="sortable">') :]
    assert re.findall(r'data-value="(-?[\d.]+)">([+−][\d.]+)</td>', table)[0] == ("5.25", "+5.250")


def test_an_empty_report_is_still_a_page(tmp_path: Path) -> None:
    assert "<h1>Nothing yet</h1>" in written(tmp_path / "report.html", Report("Nothing yet"))


def test_grey_pictures_are_shown() -> None:
    grey = picture(0)[..., 0]
    context, _, _ = panel_context([Panel("grey", {"ours": grey, "HR": grey[..., None]})], "ours", "bicubic")
    assert np.array_equal(decoded(context[0]["pictures"][0]["uri"]), np.stack([grey] * 3, axis=2))


def test_charts_skip_what_is_not_finite_and_turn_logarithmic_where_values_span_far() -> None:
    points = [(1, 1.0), (2, float("nan")), (3, 0.001)]
    svg = str(line_chart({"loss": points}, "step", "loss"))
    assert "log scale" in svg and "nan" not in svg
    (line,) = re.findall(r'points="([^"]+)"', svg)
    assert len(line.split()) == 2
    assert "log scale" not in line_chart({"psnr": [(1, 20.0), (2, 30.0)]}, "step", "PSNR, dB")
    assert "No values" in line_chart({"loss": []}, "step", "loss")
    assert "<polyline" in line_chart({"loss": [(5, 1.0)]}, "step", "loss")
    assert "<polyline" in line_chart({"loss": [(5, 0.0), (6, 0.0)]}, "step", "loss")


def test_long_curves_are_thinned_and_keep_their_end() -> None:
    svg = str(line_chart({"loss": [(step, 1 / (step + 10)) for step in range(100_001)]}, "step", "loss"))
    (line,) = re.findall(r'points="([^"]+)"', svg)
    assert len(line.split()) <= 402 and line.split()[-1].startswith("546.0,")


def test_trends_are_claims() -> None:
    assert trend([(1, 20.0), (2, 30.5)], 2) == "rises from 20.00 to 30.50"
    assert trend([(1, 0.5), (2, 0.1)], 1) == "falls from 0.5 to 0.1"
    assert trend([(1, 1.0), (2, float("nan"))], 1) == "stays at 1.0"
    assert trend([(1, 0.002), (2, 1e-7)], 4) == "falls from 0.0020 to 1e-07"
    assert trend([(1, 0.002), (2, 0.0)], 4) == "falls from 0.0020 to 0.0000"


def test_metrics_are_known_by_their_family() -> None:
    assert (page.metric("psnr_y_u8_crop4").label, page.metric("psnr_y_u8_crop4").unit) == ("PSNR Y", "dB")
    assert page.metric("network/val_psnr").label == page.metric("val_ema_psnr").label == "PSNR"
    assert page.metric("shift_mae").label == "Shift MAE" and page.metric("niqe_y_u8").better == -1
    assert page.metric("own_score").better == 0 and page.metric("own_score").gain(1.0, 2.0) == 0
    assert page.metric("psnr_rgb_u8").text(-1.5, sign=True) == "−1.500"


@pytest.mark.parametrize(
    "names",
    [
        ("psnr_rgb_u8", "psnr_y_u8", "ssim_rgb_u8", "ssim_y_u8"),
        ("psnr_maxrange", "psnr_max1", "psnr_reflectance", "ssim_kornia5_maxrange", "ssim_kornia5_max1"),
        ("cpsnr", "cpsnr_float", "cpsnr_red", "cpsnr_nir", "cssim"),
        ("consistency_bias_B02", "consistency_bias_B03", "consistency_rmse", "consistency_rmse_B02"),
    ],
)
def test_the_metrics_of_one_report_have_labels_of_their_own(tmp_path: Path, names: tuple[str, ...]) -> None:
    labels = [page.metric(name).label for name in names]
    assert len(set(labels)) == len(labels)
    means = {method: dict.fromkeys(names, 1.0) for method in ("bicubic", "ours")}
    text = written(tmp_path / "report.html", replace(report(), summary=means, scenes={}))
    cards = re.findall(r'<div class="label">([^<]+)</div>', text)
    assert cards == [label for label in labels if "bias" not in label and "consistency" not in label]


def test_figures_of_other_data_do_not_stand_in_the_published_table(tmp_path: Path) -> None:
    text = written(tmp_path / "report.html", replace(report(), comparable=False))
    section = text[text.index("Against the published table") :]
    assert "of other data" in section and "(this run)" not in section and "39.930" in section


def test_the_readme_picture_shows_each_image_and_is_reproducible(tmp_path: Path) -> None:
    images = {"LR": picture(0, side=16), "ours": picture(1), "HR": picture(2)}
    part = Closeup(8, 24, 32, (64, 64))
    for name in ("one.png", "two.png"):
        before_after_png(tmp_path / name, images, part, {"ours": "31.25 dB"}, side=128)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    drawn = cv2.imread(str(tmp_path / "one.png"))[..., ::-1]
    assert drawn.shape == (56 + 128 + 12, 12 + 85 + 12 + 3 * (128 + 12), 3)
    assert np.array_equal(drawn[56:184, 109:237], np.kron(images["LR"][2:10, 6:14], np.ones((16, 16, 1), np.uint8)))
    for number, name in ((1, "ours"), (2, "HR")):
        expected = cv2.resize(images[name][8:40, 24:56], (128, 128), interpolation=cv2.INTER_CUBIC)
        left = 109 + number * 140
        assert np.array_equal(drawn[56:184, left : left + 128], expected)
    rows, columns = np.nonzero((drawn[56:141, 12:97] == (255, 204, 0)).all(axis=2))  # where it lies in the frame
    scale = 85 / 64
    assert abs(rows.min() - 8 * scale) < 3 and abs(rows.max() - 40 * scale) < 3
    assert abs(columns.min() - 24 * scale) < 3 and abs(columns.max() - 56 * scale) < 3
    assert drawn[:56].min() < 100


def test_further_metrics_have_a_table_of_their_own_with_a_sentence_each(tmp_path: Path) -> None:
    plain = report()
    more = {"ergas": 3.25, "frc_period_m": 7.5}
    with_more = replace(
        plain,
        summary={method: {**scores, **more} for method, scores in plain.summary.items()},
        scenes={
            scene: {method: {**scores, **more} for method, scores in methods.items()}
            for scene, methods in plain.scenes.items()
        },
    )
    write_report(tmp_path / "plain.html", plain)
    write_report(tmp_path / "more.html", with_more)
    before, after = ((tmp_path / f"{name}.html").read_text() for name in ("plain", "more"))
    start = after.index("<section>\n<details", after.index("All methods of this run"))
    end = after.index("</section>", start) + len("</section>\n")
    assert after[:start] + after[end:] == before  # nothing else changes
    section = after[start:end]
    for text in ("ERGAS", "3.250", "Resolved period, m", "7.50", "lower", "Error of all bands together"):
        assert text in section, text
