"""Measuring how good an enlargement is: resampling, PSNR-Y and SSIM, and the evaluation protocol on top of them."""
