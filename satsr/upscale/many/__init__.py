"""Several scenes of different places: one after another, or spread over the workers of a Dask cluster."""
