"""Any folder of images with landmarks."""
