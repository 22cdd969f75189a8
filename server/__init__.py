"""What a coordinator deploys: the ServerApp."""
