"""Routes in place of stock ones of MONAI Label, and their installation."""
