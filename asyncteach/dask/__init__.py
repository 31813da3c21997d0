"""The same activities on a Dask cluster."""
