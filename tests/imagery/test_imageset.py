from satsr.imagery.imageset import paired


def test_views_and_quality_maps_pair_up_by_their_numbers() -> None:
    names = ["LR002.png", "LR000.png", "QM000.png", "QM007.png", "HR.png", "SM.png", "LR1.tif"]
    assert paired(names) == (["000", "002"], ["002"], ["007"])
