"""Opening imagery, one module a format."""

import os

# A PNG that inflates to less than its header promises is refused row by row; as a whole its end is what lay in memory.
os.environ["GDAL_PNG_WHOLE_IMAGE_OPTIM"] = "NO"
# What libjpeg only warns of is data that it could not decode: it puts grey or noise there.
os.environ["GDAL_ERROR_ON_LIBJPEG_WARNING"] = "YES"
