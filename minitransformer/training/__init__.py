"""From loss to update: schedule, clipping, optimizer, and the loop around them."""
