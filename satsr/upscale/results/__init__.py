"""What a result is read from and written as, and its parts until it is whole: GeoTIFF, frames."""
