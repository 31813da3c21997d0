"""Tests in a real JupyterLab under Chromium."""
