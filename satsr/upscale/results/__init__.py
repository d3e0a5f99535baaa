"""What a result is written as, and its parts until it is whole: GeoTIFF, frames."""
