"""What an institution deploys: the Flower ClientApp that forwards questions to its teachers."""
