"""What MLflow's ``predict`` takes and gives; the server itself is in tests/register/test_flavor.py."""

import base64
import io

import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.exported.served import Served
from satsr.imagery.images import decode, encode_png
from tests.tiny_graphs import image_graph, imageset_graph, recurrent_graph, series_graph

RNG = np.random.default_rng(3)
FRAMES = RNG.integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)


def text(data):
    return base64.b64encode(data).decode()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return text(stream.getvalue())


def array(answer):
    (only,) = answer
    return np.load(io.BytesIO(base64.b64decode(only)), allow_pickle=False)


def lists(array):
    """As MLflow's server hands over the numbers of JSON."""
    return np.array(array.tolist(), dtype=object)


@pytest.fixture
def clip(tiny):
    return Served(tiny(recurrent_graph))


def test_arrays_give_what_the_model_gives_in_their_type(clip):
    for values in (FRAMES, FRAMES.astype(np.float32)):
        found = clip.predict({"frames": values}, {"constraint": "", "seed": 0, "gain": 0.0})
        expected = clip.model(values)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_whole_numbers_of_json_stay_whole_and_others_do_not(clip):
    np.testing.assert_array_equal(clip.predict(lists(FRAMES)), clip.model(FRAMES))
    assert clip.predict(lists(FRAMES)).dtype == np.uint8
    floats = FRAMES / 2 + 0.25
    np.testing.assert_array_equal(clip.predict(lists(floats)), clip.model(floats.astype(np.float32)))


def test_compact_files_are_answered_in_kind(clip):
    expected = clip.model(FRAMES)
    answer = clip.predict(np.array([text(encode_png(frame)) for frame in FRAMES], dtype=object))
    assert [decode(base64.b64decode(one), "x").tolist() for one in answer] == expected.tolist()
    np.testing.assert_array_equal(array(clip.predict(np.array([npy(FRAMES)]))), expected)
    turned = np.asfortranarray(FRAMES.astype(np.float32))
    np.testing.assert_array_equal(array(clip.predict([npy(turned)])), clip.model(turned))


def test_gray_pictures_are_images_of_one_band(tiny):
    served = Served(tiny(image_graph, channels=1, normalisation="unit_u8"))
    gray = FRAMES[..., 0]
    answer = served.predict([text(encode_png(image)) for image in gray])
    np.testing.assert_array_equal(
        [decode(base64.b64decode(one), "x") for one in answer], served.model(gray[..., None])[..., 0]
    )


def test_image_sets_take_quality_maps_and_series_take_days(tiny):
    views = RNG.integers(0, 16384, (9, 20, 20), dtype=np.uint16)
    clear = RNG.integers(0, 2, views.shape, dtype=np.uint8)
    sets, dates = Served(tiny(imageset_graph)), Served(tiny(series_graph))
    found = sets.predict({"views": lists(views), "quality": lists(clear)})
    np.testing.assert_array_equal(found, sets.model(views, quality=clear))
    assert (found != sets.model(views)).any()
    (picture,) = sets.predict([text(encode_png(view)) for view in views])
    np.testing.assert_array_equal(decode(base64.b64decode(picture), "x"), sets.model(views))
    series = RNG.integers(200, 3000, (4, 20, 20, 3), dtype=np.uint16)
    days = [-9.0, 0.0, 3.0, 30.0]
    np.testing.assert_array_equal(dates.predict(series, {"days": days}), dates.model(series, days=days))


def test_a_gain_stands_for_floats_between_0_and_1(clip):
    found = clip.predict(lists(FRAMES / 255), {"gain": 255.0})
    np.testing.assert_allclose(found * 255, clip.model(FRAMES.astype(np.float32)), atol=1e-3)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (lists(FRAMES / 255), "0..255"),
        (lists(FRAMES.astype(int) * 9), "gain="),
        (np.array([[1, 2], [3]], dtype=object), "rows differ"),
        ([True], "model of the kind video"),
        ([None], "no array of numbers"),
        (["what?"], "not base64"),
        ([text(b"BM123")], "not a PNG"),
        ([npy(FRAMES), npy(FRAMES)], "2 .npy files"),
        ([npy(np.array([{}]))], "not what it holds"),
        ([npy(FRAMES)[:-400]], "not what it holds"),
        ([text(b"\x93NUMPY\x01\x00\x10\x00{'descr'}")], "cannot be read"),
        ([text(encode_png(FRAMES[0])), text(encode_png(FRAMES[0, :9]))], "differ in size"),
    ],
)
def test_what_cannot_be_taken_is_a_sentence(clip, given, sentence):
    with pytest.raises(SatsrError, match=sentence):
        clip._answer(given, {})
