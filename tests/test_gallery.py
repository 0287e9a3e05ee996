"""The gallery that is committed is the gallery that the commands make."""

from pathlib import Path

from gallery import FOLDER, write


def test_the_gallery_is_fresh(tmp_path: Path) -> None:
    """Every committed sheet equals, byte for byte, what today's symback writes."""
    write(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert sorted(made) == sorted(kept)
    stale = [name for name in made if made[name] != kept[name]]
    assert not stale, f"make gallery, then look at {', '.join(stale)}"
