"""What two variational autoencoders say of images that they have not learned."""

STUDY = "vae_ood"
